// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/exchange.hpp"
#include "transport/line_coupling.hpp"
#include "transport/line_measure.hpp"
#include "transport/line_share.hpp"
#include "transport/line_terms.hpp"

namespace mensura::transport {

namespace {

using parallel::Communicator;
using parallel::ExactSum;
constexpr double infinity = std::numeric_limits<double>::infinity();

// The partners of one group, as far as they are known. The exact sum makes the mean independent of
// where the shares end; one partner needs no sum, and most groups have one or two.
class Partners {
 public:
  void add(double mass, double position) {
    if (count_ == 1) sum_.add(low_mass_ * low_);
    if (count_ > 0) sum_.add(mass * position);
    if (count_++ == 0) low_mass_ = mass;
    low_ = std::min(low_, position);
    high_ = std::max(high_, position);
  }
  bool any() const noexcept { return count_ > 0; }
  double mean(double mass) const {
    if (count_ == 1) return low_;
    return std::clamp(sum_.value() / mass, low_, high_);  // rounding must not leave the hull
  }

  // What other ranks need to know.
  struct Packed {
    ExactSum::Words sum;
    double low, high;
  };
  Packed packed() const {
    ExactSum sum = sum_;
    if (count_ == 1) sum.add(low_mass_ * low_);
    return {sum.words(), low_, high_};
  }
  void add(const Packed& other) {
    if (count_ == 1) sum_.add(low_mass_ * low_);
    sum_.add(ExactSum::from_words(other.sum));
    low_ = std::min(low_, other.low);
    high_ = std::max(high_, other.high);
    count_ += 2;
  }

 private:
  ExactSum sum_;
  double low_ = infinity, high_ = -infinity, low_mass_ = 0;
  int count_ = 0;
};

// Of one group: barycentric projection, and the increment of the potential to the next group.
struct Result {
  double map, rise;
};

// The groups of one measure on a share. The first may have begun on lower ranks.
class Side {
 public:
  Side(const std::vector<Group>& groups, Units begin)
      : groups_(groups), continued_(!groups.empty() && groups.front().start < begin) {}
  void couple(Units mass, double position) { open_.add(relative(mass), position); }
  void finish(double rise) {
    const bool head = results_.empty() && continued_;
    if (head) head_ = open_;
    const Group& group = groups_[results_.size()];
    results_.push_back({head ? 0 : open_.mean(relative(group.end - group.start)), rise});
    open_ = Partners();
  }
  // Collective. Completes the first group with its partners on lower ranks; returns the results of
  // the groups that end on this share.
  std::vector<Result> complete(const Communicator& comm);

 private:
  struct Tail {
    Partners::Packed partners;
    std::int64_t open, began_here;
  };
  const std::vector<Group>& groups_;
  bool continued_;
  Partners open_, head_;
  std::vector<Result> results_;
};

std::vector<Result> Side::complete(const Communicator& comm) {
  const Tail own{open_.packed(), open_.any() ? 1 : 0, !results_.empty() || !continued_ ? 1 : 0};
  const auto tails = comm.all_gather(std::span<const Tail>(&own, 1));
  if (continued_ && !results_.empty()) {
    for (auto r = static_cast<std::size_t>(comm.rank()); r-- > 0;) {
      if (tails[r].open == 0) continue;  // an empty share
      head_.add(tails[r].partners);
      if (tails[r].began_here != 0) break;
    }
    results_.front().map = head_.mean(relative(groups_.front().end - groups_.front().start));
  }
  return std::move(results_);
}

struct Walked {
  std::vector<Result> a, b;  // of the own groups of the ordered measures
  double cost = 0;
};

// Collective. Sends the results of a share's finished groups back to where the groups came from.
std::vector<Result> send_back(const Communicator& comm, std::span<const Result> results,
                              std::vector<std::int64_t> counts, std::size_t groups) {
  auto left = static_cast<std::int64_t>(results.size());
  for (auto& count : counts) {
    count = std::min(count, left);
    left -= count;
  }
  auto received = parallel::exchange<Result>(comm, results, counts).data;
  parallel::agree(
      comm, [&] { parallel::require(received.size() == groups, "every group ends on one share"); });
  return received;
}

Walked walk_pair(const Communicator& comm, const OrderedPair& pair, double power) {
  const auto share = share_out(comm, pair.a.groups, pair.b.groups, pair.total);
  const auto& a = share.a;
  const auto& b = share.b;
  Side side_a(a, share.begin), side_b(b, share.begin);
  ExactSum sum;
  const auto atom = [&](std::size_t i, std::size_t j, Units mass) {
    sum.add(relative(mass) * line_term(a[i].position - b[j].position, power));
    side_a.couple(mass, b[j].position);
    side_b.couple(mass, a[i].position);
  };
  const auto jump = [&](std::size_t i, std::size_t j, bool a_ends, bool b_ends) {
    const bool last = a[i].end == share.total && b[j].end == share.total;
    const double x = a[i].position, y = b[j].position;
    const double next_x = a_ends && !last ? a[i + 1].position : x;
    const double next_y = b_ends && !last ? b[j + 1].position : y;
    if (a_ends) side_a.finish(line_rise(x - y, next_x - y, next_x - x, power));
    if (b_ends) side_b.finish(line_rise(next_x - y, next_x - next_y, y - next_y, power));
  };
  parallel::agree(comm, [&] { walk(share, atom, jump); });
  Walked result;
  parallel::reduce(comm, std::span<ExactSum>(&sum, 1));
  result.cost = absolute_cost(sum.value(), pair.exponent);
  result.a = send_back(comm, side_a.complete(comm), share.counts_a, pair.a.groups.size());
  result.b = send_back(comm, side_b.complete(comm), share.counts_b, pair.b.groups.size());
  return result;
}

// Potentials are cumulated in integers of 2^exponent, with 120 bits for the sum of all increments'
// sizes: no rounding but that of the increments. Negative values in two's complement.
Units signed_units(double value, int exponent) {
  const Units size = nearest_units(std::abs(value), exponent);
  return value < 0 ? -size : size;
}
double from_signed_units(Units value, int exponent) {
  const bool negative = (value >> 127U) != 0;
  const double size = std::ldexp(static_cast<double>(negative ? -value : value), exponent);
  return negative ? -size : size;
}

// The group that carries the middle of the mass, if it is on this rank.
std::size_t middle_group(const OrderedPair& pair, std::span<const Group> groups) {
  const Units middle = pair.total / 2;
  const auto above = std::partition_point(groups.begin(), groups.end(),
                                          [&](const Group& group) { return group.end <= middle; });
  const bool here = above != groups.end() && above->start <= middle;
  return here ? static_cast<std::size_t>(above - groups.begin()) : groups.size();
}

// Collective. The value that one rank knows and the others have as zero.
double known_to_one(const Communicator& comm, double value) {
  return std::bit_cast<double>(comm.sum(std::bit_cast<std::int64_t>(value)));
}

// Collective. Potentials at the own groups; the group of the middle of the mass has the value
// `at_middle`, so that the big increments towards far outliers with little mass cannot spoil the
// rest.
std::vector<double> cumulated(const Communicator& comm, std::span<const Result> results,
                              std::size_t middle, double at_middle, int exponent) {
  Units own = 0, total = 0, own_origin = 0, origin = 0;
  for (const auto& result : results) own += signed_units(result.rise, exponent);
  const Units lower = sum_of_lower(comm, own, total);
  std::vector<double> values;
  parallel::agree(comm, [&] { values.reserve(results.size()); });
  Units at = lower;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i == middle) own_origin = at - signed_units(at_middle, exponent);
    at += signed_units(results[i].rise, exponent);
  }
  sum_of_lower(comm, own_origin, origin);
  at = lower - origin;
  for (const auto& result : results) {
    values.push_back(from_signed_units(at, exponent));
    at += signed_units(result.rise, exponent);
  }
  return values;
}

struct Potentials {
  std::vector<double> a, b;
};

Potentials potentials(const Communicator& comm, const OrderedPair& pair, const Walked& walked,
                      double power) {
  const std::size_t i = middle_group(pair, pair.a.groups), j = middle_group(pair, pair.b.groups);
  const bool has_i = i < pair.a.groups.size(), has_j = j < pair.b.groups.size();
  const double x = known_to_one(comm, has_i ? pair.a.groups[i].position : 0.0);
  const double y = known_to_one(comm, has_j ? pair.b.groups[j].position : 0.0);
  const double at_middle = line_term(x - y, power);
  ExactSum sizes;
  for (const auto& result : walked.a) sizes.add(std::abs(result.rise));
  for (const auto& result : walked.b) sizes.add(std::abs(result.rise));
  if (comm.is_root()) sizes.add(at_middle);
  parallel::reduce(comm, std::span<ExactSum>(&sizes, 1));
  require_range(sizes.value());
  int exponent = 0;
  std::frexp(sizes.value(), &exponent);
  exponent -= 120;
  return {cumulated(comm, walked.a, i, 0, exponent),
          cumulated(comm, walked.b, j, at_middle, exponent)};
}

double dual_value(const Communicator& comm, const OrderedPair& pair, const Potentials& values) {
  ExactSum sum;
  const auto add = [&](std::span<const Group> groups, std::span<const double> potential) {
    for (std::size_t i = 0; i < groups.size(); ++i) {
      sum.add(relative(groups[i].end - groups[i].start) * potential[i]);
    }
  };
  add(pair.a.groups, values.a);
  add(pair.b.groups, values.b);
  parallel::reduce(comm, std::span<ExactSum>(&sum, 1));
  return absolute_cost(sum.value(), pair.exponent);
}

// Collective. Values of groups at the points of the caller: rows (map, potential).
std::vector<double> at_points(const Communicator& comm, const Ordered& measure,
                              const Masses& masses, std::size_t own,
                              std::span<const Result> results, std::span<const double> potential) {
  using Row = std::array<double, 3>;  // has a group, map, potential
  Row next{0, 0, 0};
  if (!results.empty()) next = {1, results[0].map, potential[0]};
  const auto firsts = comm.all_gather(std::span<const Row>(&next, 1));
  for (auto r = static_cast<std::size_t>(comm.rank()) + 1; r < firsts.size(); ++r) {
    next = firsts[r];
    if (next[0] != 0) break;
  }
  std::vector<double> rows;
  std::vector<std::uint64_t> ids;
  parallel::agree(comm, [&] {
    rows.reserve(2 * measure.ids.size());
    std::size_t group = 0;
    for (const char closes : measure.closes) {
      const bool here = group < results.size();
      rows.push_back(here ? results[group].map : next[1]);
      rows.push_back(here ? potential[group] : next[2]);
      if (closes != 0) ++group;
    }
    ids.resize(own);
    for (std::size_t i = 0; i < own; ++i) ids[i] = static_cast<std::uint64_t>(masses.first) + i;
  });
  const auto block = parallel::to_blocks(comm, rows, 2, measure.ids, masses.total);
  return parallel::fetch_rows(comm, block, masses.total, 2, ids);
}

void split(std::span<const double> rows, std::vector<double>& map, std::vector<double>& potential) {
  for (std::size_t i = 0; i < rows.size(); i += 2) {
    map.push_back(rows[i]);
    potential.push_back(rows[i + 1]);
  }
}

}  // namespace

LineMap line_map(const Communicator& comm, const Weighted& a, const Weighted& b, double power) {
  require_power(comm, power);
  const auto masses = carry_masses(comm, a, b, 1);
  const auto pair = order_pair(comm, masses, a.positions, b.positions);
  const auto walked = walk_pair(comm, pair, power);
  const auto values = potentials(comm, pair, walked, power);
  LineMap result;
  result.cost = walked.cost;
  result.dual = dual_value(comm, pair, values);
  const auto rows_a = at_points(comm, pair.a, masses.a, a.mass.size(), walked.a, values.a);
  const auto rows_b = at_points(comm, pair.b, masses.b, b.mass.size(), walked.b, values.b);
  parallel::agree(comm, [&] {
    split(rows_a, result.map_a, result.potential_a);
    split(rows_b, result.map_b, result.potential_b);
  });
  return result;
}

}  // namespace mensura::transport
