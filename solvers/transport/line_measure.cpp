// SPDX-License-Identifier: BSD-3-Clause
#include "transport/line_measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/sort.hpp"

namespace mensura::transport {

namespace {

using parallel::Communicator;
using parallel::Error;
using parallel::ExactSum;
using parallel::ExitCode;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double largest_difference = 1e-12;  // of total masses, relative: the contract

void check_points(const Weighted& points, int dimension, const char* name) {
  parallel::require(
      points.positions.size() == points.mass.size() * static_cast<std::size_t>(dimension),
      "every point has its coordinates and a mass");
  for (std::size_t i = 0; i < points.positions.size(); ++i) {
    if (std::isfinite(points.positions[i])) continue;
    throw Error(ExitCode::input_data,
                fmt::format("a coordinate of measure {} is {}: coordinates must be finite numbers",
                            name, points.positions[i]));
  }
  for (const double mass : points.mass) {
    if (mass > 0 && mass < infinity) continue;
    throw Error(ExitCode::input_data,
                fmt::format("a mass of measure {} is {}: masses must be positive and finite; "
                            "leave points without mass out",
                            name, mass));
  }
}

void check_totals(double a, double b) {
  const double larger = std::max(a, b);
  if (larger == 0 || std::min(a, b) == 0) {
    throw Error(ExitCode::input_data, "a measure has no points: both need at least one");
  }
  if (!(larger < infinity)) {
    throw Error(ExitCode::input_data, "the total mass overflows: scale the masses down");
  }
  if (std::abs(a - b) <= largest_difference * larger) return;
  throw Error(ExitCode::input_data,
              fmt::format("the total masses {:.17g} and {:.17g} differ by more than {} of the "
                          "larger one: normalise both measures",
                          a, b, largest_difference));
}

Masses carry(const Communicator& comm, std::span<const double> mass) {
  Masses result;
  const auto own = static_cast<std::int64_t>(mass.size());
  result.first = comm.exclusive_scan(own);
  result.total = comm.sum(own);
  const auto [low, high] = std::minmax_element(mass.begin(), mass.end());
  const double smallest = comm.min(mass.empty() ? infinity : *low);
  const double largest = comm.max(mass.empty() ? 0.0 : *high);
  if (smallest == largest) {
    result.common = largest;
    return result;
  }
  std::vector<std::uint64_t> ids;
  parallel::agree(comm, [&] { ids.resize(mass.size()); });
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<std::uint64_t>(result.first) + i;
  }
  result.block = parallel::to_blocks(comm, mass, 1, ids, result.total);
  return result;
}

// At least one unit: nothing with mass vanishes.
Units units_of(double mass, int exponent) {
  return std::max<Units>(nearest_units(mass, exponent), 1);
}

// The ends of a rank's sorted points, as the other ranks need to know them. `last_mass` is that of
// the points at the last position.
struct Ends {
  std::int64_t points;
  double first, last;
  std::array<std::uint64_t, 2> mass, last_mass;
};

std::array<std::uint64_t, 2> words_of(Units value) {
  return {static_cast<std::uint64_t>(value >> 64U), static_cast<std::uint64_t>(value)};
}
Units from_words(const std::array<std::uint64_t, 2>& words) {
  return (Units{words[0]} << 64U) | words[1];
}

Ends ends_of(std::span<const parallel::Keyed> sorted, std::span<const Units> mass) {
  Ends ends{static_cast<std::int64_t>(sorted.size()), 0, 0, {}, {}};
  if (sorted.empty()) return ends;
  ends.first = sorted.front().value;
  ends.last = sorted.back().value;
  Units all = 0, tail = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    all += mass[i];
    if (sorted[i].value == ends.last) tail += mass[i];
  }
  ends.mass = words_of(all);
  ends.last_mass = words_of(tail);
  return ends;
}

// What lies around this rank's sorted points.
struct Surroundings {
  Units before = 0;       // mass on lower ranks
  Units group_start = 0;  // where the group of the first own point begins
  bool has_next = false;
  double next = 0;  // position of the first point on higher ranks
  Units total = 0;
};

Surroundings look_around(const Communicator& comm, const Ends& own) {
  const auto all = comm.all_gather(std::span<const Ends>(&own, 1));
  const auto rank = static_cast<std::size_t>(comm.rank());
  Surroundings result;
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (r == rank) result.before = result.total;
    result.total += from_words(all[r].mass);
    if (r > rank && all[r].points > 0 && !result.has_next) {
      result.has_next = true;
      result.next = all[r].first;
    }
  }
  result.group_start = result.before;
  for (std::size_t r = rank; r-- > 0 && own.points > 0;) {
    if (all[r].points == 0) continue;
    if (all[r].last != own.first) break;
    result.group_start -= from_words(all[r].last_mass);
    if (all[r].first != own.first) break;
  }
  return result;
}

void cumulate(Ordered& result, std::span<const parallel::Keyed> sorted, std::span<const Units> mass,
              const Surroundings& around) {
  Units start = around.group_start, at = around.before;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    at += mass[i];
    const bool last = i + 1 == sorted.size();
    const bool closes = last ? !around.has_next || around.next != sorted[i].value
                             : sorted[i + 1].value != sorted[i].value;
    result.closes[i] = closes ? 1 : 0;
    if (!closes) continue;
    result.groups.push_back({start, at, sorted[i].value});
    start = at;
  }
  result.total = around.total;
}

Ordered order(const Communicator& comm, const Masses& masses, std::span<const double> positions,
              int exponent) {
  std::vector<parallel::Keyed> sorted;
  parallel::agree(comm, [&] {
    sorted.reserve(positions.size());
    for (std::size_t i = 0; i < positions.size(); ++i) {
      sorted.push_back({positions[i] + 0.0, static_cast<std::uint64_t>(masses.first) + i});
    }
  });
  sorted = parallel::sort(comm, std::move(sorted));
  Ordered result;
  parallel::agree(comm, [&] {
    for (const auto& point : sorted) result.ids.push_back(point.id);
    result.closes.resize(sorted.size());
  });
  std::vector<double> mass;
  if (masses.common == 0)
    mass = parallel::fetch_rows(comm, masses.block, masses.total, 1, result.ids);
  std::vector<Units> units;
  parallel::agree(comm, [&] {
    units.assign(sorted.size(), masses.common == 0 ? 1 : units_of(masses.common, exponent));
    for (std::size_t i = 0; i < mass.size(); ++i) units[i] = units_of(mass[i], exponent);
  });
  const auto around = look_around(comm, ends_of(sorted, units));
  parallel::agree(comm, [&] { cumulate(result, sorted, units, around); });
  return result;
}

int bits_of(Units value) {
  const auto high = static_cast<std::uint64_t>(value >> 64U);
  const auto low = static_cast<std::uint64_t>(value);
  return static_cast<int>(high != 0 ? 64 + std::bit_width(high) : std::bit_width(low));
}

// Spreads what is missing to `total` over the measure, in proportion to the cumulated mass by its
// leading 40 bits: the missing part is below 2^87 (1e-12 of 2^126), so that 128 bits hold the
// product. Non-decreasing and exact at both ends.
void stretch(Ordered& measure, Units total) {
  const Units missing = total - measure.total;
  if (missing == 0) return;
  const auto shift = static_cast<unsigned>(std::max(bits_of(measure.total) - 40, 0));
  const Units whole = measure.total >> shift;
  const auto stretched = [&](Units at) { return at + missing * (at >> shift) / whole; };
  for (auto& group : measure.groups) {
    group.start = stretched(group.start);
    group.end = stretched(group.end);
  }
  measure.total = total;
}

}  // namespace

MassPair carry_masses(const Communicator& comm, const Weighted& a, const Weighted& b,
                      int dimension) {
  parallel::agree(comm, [&] {
    check_points(a, dimension, "a");
    check_points(b, dimension, "b");
  });
  std::array<ExactSum, 2> totals;
  for (const double mass : a.mass) totals[0].add(mass);
  for (const double mass : b.mass) totals[1].add(mass);
  parallel::reduce(comm, totals);
  MassPair result;
  result.total = totals[0].value();
  parallel::agree(comm, [&] { check_totals(result.total, totals[1].value()); });
  std::frexp(std::max(result.total, totals[1].value()), &result.exponent);
  result.exponent -= unit_bits;
  result.a = carry(comm, a.mass);
  result.b = carry(comm, b.mass);
  return result;
}

OrderedPair order_pair(const Communicator& comm, const MassPair& masses,
                       std::span<const double> positions_a, std::span<const double> positions_b) {
  OrderedPair result;
  result.exponent = masses.exponent;
  result.a = order(comm, masses.a, positions_a, masses.exponent);
  result.b = order(comm, masses.b, positions_b, masses.exponent);
  result.total = std::max(result.a.total, result.b.total);
  stretch(result.a, result.total);
  stretch(result.b, result.total);
  return result;
}

OrderedSet order_measures(const Communicator& comm, std::span<const Weighted> measures) {
  parallel::require(!measures.empty(), "there is a measure");
  parallel::agree(comm, [&] {
    for (std::size_t k = 0; k < measures.size(); ++k) {
      check_points(measures[k], 1, std::to_string(k).c_str());
    }
  });
  std::vector<ExactSum> totals(measures.size());
  for (std::size_t k = 0; k < measures.size(); ++k) {
    for (const double mass : measures[k].mass) totals[k].add(mass);
  }
  parallel::reduce(comm, totals);
  double low = infinity, high = 0;
  for (const ExactSum& total : totals) {
    low = std::min(low, total.value());
    high = std::max(high, total.value());
  }
  parallel::agree(comm, [&] { check_totals(low, high); });
  OrderedSet result;
  std::frexp(high, &result.exponent);
  result.exponent -= unit_bits;
  for (const Weighted& measure : measures) {
    result.measures.push_back(
        order(comm, carry(comm, measure.mass), measure.positions, result.exponent));
    result.total = std::max(result.total, result.measures.back().total);
  }
  for (Ordered& measure : result.measures) stretch(measure, result.total);
  return result;
}

Units sum_of_lower(const Communicator& comm, Units value, Units& total) {
  const auto own = words_of(value);
  const auto all = comm.all_gather(std::span<const std::uint64_t>(own));
  Units lower = 0;
  total = 0;
  for (std::size_t r = 0; r < all.size(); r += 2) {
    if (r == 2 * static_cast<std::size_t>(comm.rank())) lower = total;
    total += from_words({all[r], all[r + 1]});
  }
  return lower;
}

Units nearest_units(double value, int exponent) {
  int power = 0;
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(value, &power), 53));
  const int shift = power - 53 - exponent;
  if (shift >= 0) return Units{mantissa} << static_cast<unsigned>(shift);
  if (shift < -62) return 0;
  const auto down = static_cast<unsigned>(-shift);
  return (mantissa + (std::uint64_t{1} << (down - 1U))) >> down;
}

double relative(Units mass) {
  static_assert(unit_bits == 125);
  return static_cast<double>(mass) * 0x1p-125;
}

double absolute_cost(double sum, int exponent) {
  const double cost = std::ldexp(sum, exponent + unit_bits);
  require_range(cost);
  return cost;
}

void require_range(double cost) {
  if (std::isfinite(cost)) return;
  throw Error(ExitCode::numerical,
              "the transport cost exceeds the range of double precision numbers: scale the "
              "positions or the masses down, or lower the power");
}

}  // namespace mensura::transport
