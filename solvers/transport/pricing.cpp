// SPDX-License-Identifier: BSD-3-Clause
#include "transport/pricing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <thread>

#include "parallel/exact_sum.hpp"
#include "parallel/exchange.hpp"
#include "transport/certificate.hpp"
#include "transport/network_simplex.hpp"
#include "transport/plan_forest.hpp"

namespace mensura::transport {

namespace {

// Bits of whole costs times the number of points, and the most that doubles have.
constexpr int cost_bits = 60, most_cost_bits = 52;
constexpr std::int64_t mass_units = std::int64_t{1} << 62U;
// Violations below that are rounding of c - f - g.
constexpr double rounding = 8 * std::numeric_limits<double>::epsilon();
// Gap that counts as closed, relative to the sizes of the terms in it.
constexpr double closed_gap = 1e-12;
constexpr int most_halvings = 8;
constexpr std::chrono::milliseconds longest_wait{1000}, longest_nap{100}, shortest_nap{1};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Collective. The values of all ranks, in their order, on rank 0.
template <class T>
std::vector<T> to_root(const parallel::Communicator& comm, std::span<const T> own) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()), 0);
  counts[0] = std::ssize(own);
  return parallel::exchange<T>(comm, own, counts).data;
}

// Collective. The way back: on rank 0 `all`, in the order of the ranks.
template <class T>
std::vector<T> from_root(const parallel::Communicator& comm, std::span<const T> all,
                         std::vector<std::int64_t> counts) {
  if (!comm.is_root()) counts.assign(counts.size(), 0);
  return parallel::exchange<T>(comm, all, counts).data;
}

// One side of the problem on rank 0, in the order of the ids: the same on any number of ranks.
struct Side {
  std::vector<std::size_t> place;  // of a global number of the cloud
  std::vector<std::int64_t> counts;
  std::vector<double> mass, potential;
};

Side gather_side(const parallel::Communicator& comm, const Cloud& cloud,
                 std::span<const double> potential) {
  const std::array<std::int64_t, 1> own{static_cast<std::int64_t>(cloud.own())};
  Side side;
  side.counts = comm.all_gather(std::span<const std::int64_t>(own));
  const auto ids = to_root<std::uint64_t>(comm, cloud.ids);
  const auto mass = to_root<double>(comm, cloud.mass);
  const auto level = to_root<double>(comm, potential);
  parallel::agree(comm, [&] {
    std::vector<std::size_t> order(ids.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return ids[a] < ids[b]; });
    side.place.resize(ids.size());
    for (std::size_t p = 0; p < order.size(); ++p) {
      side.place[order[p]] = p;
      side.mass.push_back(mass[order[p]]);
      side.potential.push_back(level[order[p]]);
      if (std::isfinite(side.potential.back())) continue;
      throw parallel::Error(parallel::ExitCode::numerical,
                            "the potentials that the exact solution starts from are not finite; "
                            "start it from a larger regularisation.final");
    }
  });
  return side;
}

bool all_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
}

// Equal masses on both sides are exact.
void set_masses(const Side& x, const Side& y, WholeTransport& problem) {
  const auto n = std::ssize(x.mass), m = std::ssize(y.mass);
  if (all_equal(x.mass) && all_equal(y.mass)) {
    const std::int64_t common = std::gcd(n, m);
    problem.supply.assign(x.mass.size(), m / common);
    problem.demand.assign(y.mass.size(), n / common);
    return;
  }
  problem.supply = whole_masses(x.mass, mass_units);
  problem.demand = whole_masses(y.mass, mass_units);
}

// A pair on its way: global numbers of the clouds.
struct Candidate {
  std::int64_t row, column;
  double cost;
};

struct PlanEntry {
  std::int64_t row, column;
  double cost, value;
};

}  // namespace

// What rank 0 knows: points in the order of their ids.
struct Pricing::Root {
  Side x, y;
  std::vector<PairArc> arcs;       // ascending (row, column)
  std::vector<std::size_t> taken;  // of the arcs, in the running program
  double unit = 1;
  std::optional<SimplexThread> thread;
  std::vector<PairArc> forest;  // the pairs with flow in the last program
  std::int64_t detour = 0;

  double reduced(const PairArc& arc) const {
    return arc.cost - x.potential[arc.row] - y.potential[arc.column];
  }
  // Adds the pairs that are new and not only rounding above zero; returns how many.
  std::int64_t add(std::span<const Candidate> found, double cut);
  void start(double reach);
  void end();
  // Entries by ascending rows of the cloud, and how many belong to every rank.
  std::vector<PlanEntry> plan(std::vector<std::int64_t>& counts) const;
};

std::int64_t Pricing::Root::add(std::span<const Candidate> found, double cut) {
  const auto before = [](const PairArc& a, const PairArc& b) {
    return a.row != b.row ? a.row < b.row : a.column < b.column;
  };
  std::vector<PairArc> fresh;
  for (const Candidate& pair : found) {
    const PairArc arc{static_cast<std::uint32_t>(x.place[static_cast<std::size_t>(pair.row)]),
                      static_cast<std::uint32_t>(y.place[static_cast<std::size_t>(pair.column)]),
                      pair.cost};
    const double size =
        std::abs(arc.cost) + std::abs(x.potential[arc.row]) + std::abs(y.potential[arc.column]);
    if (cut > 0 || reduced(arc) < -rounding * size) fresh.push_back(arc);
  }
  std::sort(fresh.begin(), fresh.end(), before);
  std::vector<PairArc> all;
  all.reserve(arcs.size() + fresh.size());
  std::merge(arcs.begin(), arcs.end(), fresh.begin(), fresh.end(), std::back_inserter(all), before);
  const auto last = std::unique(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return a.row == b.row && a.column == b.column;
  });
  all.erase(last, all.end());
  const auto added = std::ssize(all) - std::ssize(arcs);
  arcs = std::move(all);
  return added;
}

// The program in reduced costs: small numbers, whose rounding to whole ones is nothing.
void Pricing::Root::start(double reach) {
  double largest = reach;
  taken.clear();
  for (std::size_t k = 0; k < arcs.size(); ++k) {
    if (reduced(arcs[k]) > 2 * reach) continue;  // the detour is cheaper
    taken.push_back(k);
    largest = std::max(largest, std::abs(reduced(arcs[k])));
  }
  const auto points = x.mass.size() + y.mass.size() + 1;
  const int bits = cost_bits - static_cast<int>(std::bit_width(points));
  unit = std::ldexp(largest, -std::min(bits, most_cost_bits));
  WholeTransport problem;
  set_masses(x, y, problem);
  problem.arcs.reserve(taken.size());
  for (const std::size_t k : taken) {
    problem.arcs.push_back({arcs[k].row, arcs[k].column, std::llround(reduced(arcs[k]) / unit)});
  }
  problem.half_detour = std::llround(reach / unit);
  thread.emplace(std::move(problem));
}

void Pricing::Root::end() {
  WholeSolution solution = thread->take();
  thread.reset();
  forest.clear();
  for (std::size_t k = 0; k < taken.size(); ++k) {
    if (solution.flow[k] > 0) forest.push_back(arcs[taken[k]]);
  }
  detour = solution.detour;
  for (std::size_t i = 0; i < x.potential.size(); ++i) {
    x.potential[i] += unit * static_cast<double>(solution.row_potential[i]);
  }
  for (std::size_t j = 0; j < y.potential.size(); ++j) {
    y.potential[j] += unit * static_cast<double>(solution.column_potential[j]);
  }
}

std::vector<PlanEntry> Pricing::Root::plan(std::vector<std::int64_t>& counts) const {
  const std::vector<double> values = plan_on_forest(forest, x.mass, y.mass);
  std::vector<std::int64_t> row_number(x.place.size()), column_number(y.place.size());
  for (std::size_t n = 0; n < x.place.size(); ++n) row_number[x.place[n]] = std::int64_t(n);
  for (std::size_t n = 0; n < y.place.size(); ++n) column_number[y.place[n]] = std::int64_t(n);
  std::vector<PlanEntry> entries;
  for (std::size_t k = 0; k < forest.size(); ++k) {
    if (!(values[k] > 0)) continue;
    entries.push_back(
        {row_number[forest[k].row], column_number[forest[k].column], forest[k].cost, values[k]});
  }
  std::sort(entries.begin(), entries.end(), [](const PlanEntry& a, const PlanEntry& b) {
    return a.row != b.row ? a.row < b.row : a.column < b.column;
  });
  std::size_t entry = 0;
  std::int64_t end = 0;
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    end += x.counts[rank];
    for (; entry < entries.size() && entries[entry].row < end; ++entry) ++counts[rank];
  }
  return entries;
}

void check_exact_size(std::int64_t x, std::int64_t y) {
  if (std::max(x, y) <= most_exact_points) return;
  throw parallel::Error(
      parallel::ExitCode::too_large,
      fmt::format("the exact solution takes at most {} points with mass of each marginal, found {} "
                  "and {}; use method: auto without certificate.exact, or fewer points",
                  most_exact_points, x, y));
}

Pricing::Pricing(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                 const Cost& cost, Potentials start, const PricingOptions& options)
    : comm_(comm),
      x_(x),
      y_(y),
      cost_(cost),
      options_(options),
      at_(std::move(start)),
      cut_(options.cut),
      reach_(options.cut / 2) {
  check_exact_size(x.total, y.total);
  Side rows = gather_side(comm, x, at_.f), columns = gather_side(comm, y, at_.g);
  root_ = std::make_unique<Root>();
  root_->x = std::move(rows);
  root_->y = std::move(columns);
}

Pricing::~Pricing() = default;

// Brings what a search found to rank 0; `turned`: its rows are points of y.
void Pricing::gather(const Pairs& pairs, const Cloud& rows, bool turned, double cut) {
  std::vector<Candidate> own;
  own.reserve(pairs.columns.size());
  for (std::size_t i = 0; i < rows.own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      own.push_back({rows.first + static_cast<std::int64_t>(i), pairs.numbers[pairs.columns[k]],
                     pairs.cost[k]});
      if (turned) std::swap(own.back().row, own.back().column);
    }
  }
  const std::vector<Candidate> all = to_root<Candidate>(comm_, own);
  std::int64_t added = 0;
  parallel::agree(comm_, [&] { added = root_->add(all, cut); });
  added_ += comm_.sum(added);
}

// All pairs within `cut` of the potentials join; false where they are too many.
bool Pricing::search(double cut) {
  const std::int64_t most =
      std::max(options_.small_search, options_.most_per_row * (x_.total / comm_.size() + 1));
  Pairs pairs;
  if (!find_pairs(comm_, x_, {at_.f}, y_, {at_.g}, cost_, cut, most, pairs)) return false;
  added_ = 0;
  gather(pairs, x_, false, cut);
  result_.arcs += added_;
  complete_ = cut;
  return true;
}

// The best pairs of every row and column within `cut`. Where a pair is violated at all, its row's
// worst one is among them.
void Pricing::search_some(double cut) {
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  Pairs pairs;
  added_ = 0;
  find_pairs(comm_, x_, {at_.f}, y_, {at_.g}, cost_, cut, any, pairs, options_.per_row);
  gather(pairs, x_, false, cut);
  find_pairs(comm_, y_, {at_.g}, x_, {at_.f}, cost_, cut, any, pairs, options_.per_row);
  gather(pairs, y_, true, cut);
  result_.arcs += added_;
  complete_ = 0;
}

// All pairs within the cut, which is lowered until they are few enough, or the best of them.
void Pricing::widen() {
  for (int halvings = 0; halvings < most_halvings; ++halvings) {
    if (search(std::ldexp(cut_, -halvings))) return;
  }
  search_some(std::ldexp(cut_, -most_halvings));
}

void Pricing::start_program() {
  parallel::agree(comm_, [&] {
    if (comm_.is_root()) root_->start(reach_);
  });
  running_ = true;
  ++result_.rounds;
}

void Pricing::distribute_potentials() {
  const auto send = [&](Side& side) {
    std::vector<double> all(side.potential.size());
    for (std::size_t number = 0; number < all.size(); ++number) {
      all[number] = side.potential[side.place[number]];
    }
    return from_root<double>(comm_, all, side.counts);
  };
  at_.f = send(root_->x);
  at_.g = send(root_->y);
}

// Takes the new potentials and looks for pairs that they violate; decides what comes next.
void Pricing::end_program(const std::function<void()>& poll) {
  running_ = false;
  parallel::agree(comm_, [&] {
    if (comm_.is_root()) root_->end();
  });
  const bool detour = comm_.max(root_->detour) > 0;
  distribute_potentials();
  if (detour) {
    widen();
    reach_ *= 2;
  } else if (2 * reach_ <= complete_) {  // nothing outside can be violated
    result_.optimal = true;
  } else {
    if (!search(0)) search_some(0);
    result_.optimal = added_ == 0;
  }
  if (result_.optimal || result_.rounds >= options_.most_rounds) finish(poll);
}

// Waits for rank 0, at most about a second. All ranks take the same naps, so that no clock decides.
bool Pricing::wait(const std::function<void()>& poll) const {
  auto nap = shortest_nap, waited = nap * 0;
  for (; waited < longest_wait; waited += nap, nap = std::min(2 * nap, longest_nap)) {
    const bool done = comm_.is_root() && root_->thread->done();
    if (comm_.max(static_cast<std::int64_t>(done)) > 0) return true;
    std::this_thread::sleep_for(nap);
    poll();
  }
  return false;
}

void Pricing::advance(const std::function<void()>& poll) {
  const auto begin = std::chrono::steady_clock::now();
  if (!started_) {
    widen();
    if (complete_ > 0) reach_ = complete_ / 2;
    started_ = true;
  } else if (!running_) {
    start_program();
  } else if (wait(poll)) {
    end_program(poll);
  }
  poll();
  result_.seconds += seconds_since(begin);
}

std::string Pricing::line() const {
  return fmt::format("exact: linear program {}, {} pairs", result_.rounds, result_.arcs);
}

// The plan from the flow, at the ranks of its rows.
void Pricing::distribute_plan() {
  std::vector<PlanEntry> entries;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm_.size()), 0);
  parallel::agree(comm_, [&] {
    if (comm_.is_root()) entries = root_->plan(counts);
  });
  std::vector<PlanEntry> own = from_root<PlanEntry>(comm_, entries, counts);
  Pairs& pairs = result_.pairs;
  for (const PlanEntry& entry : own) pairs.numbers.push_back(entry.column);
  std::sort(pairs.numbers.begin(), pairs.numbers.end());
  pairs.numbers.erase(std::unique(pairs.numbers.begin(), pairs.numbers.end()), pairs.numbers.end());
  pairs.starts.assign(x_.own() + 1, 0);
  for (const PlanEntry& entry : own) {
    ++pairs.starts[static_cast<std::size_t>(entry.row - x_.first) + 1];
    const auto place = std::lower_bound(pairs.numbers.begin(), pairs.numbers.end(), entry.column);
    pairs.columns.push_back(static_cast<std::uint32_t>(place - pairs.numbers.begin()));
    pairs.cost.push_back(entry.cost);
    result_.values.push_back(entry.value);
  }
  std::partial_sum(pairs.starts.begin(), pairs.starts.end(), pairs.starts.begin());
  result_.entries = comm_.sum(std::ssize(own));
  result_.ghosts = Ghosts(comm_, y_.own(), pairs.numbers);
  const std::vector<double> ones_x(x_.own(), 1.0), ones_y(y_.own(), 1.0);
  result_.row_sums.resize(x_.own());
  result_.column_sums.resize(y_.own());
  result_.multiply(ones_y, result_.row_sums);
  result_.multiply_transposed(ones_x, result_.column_sums);
}

// Both bounds from nothing but the plan's entries and exact c-transforms of the potentials.
void Pricing::certify(const std::function<void()>& poll) {
  result_.at.f = hard_transform(comm_, x_, y_, at_.g, cost_);
  poll();
  result_.at.g = hard_transform(comm_, y_, x_, result_.at.f, cost_);
  // Cost of the plan, dual, errors of the marginals, size of the dual's terms.
  std::array<parallel::ExactSum, 5> sums;
  for (std::size_t k = 0; k < result_.values.size(); ++k) {
    sums[0].add(result_.values[k] * result_.pairs.cost[k]);
  }
  std::vector<double> rows(x_.own()), columns(y_.own());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sums[1].add(result_.at.f[i] * x_.mass[i]);
    sums[4].add(std::abs(result_.at.f[i] * x_.mass[i]));
    rows[i] = std::abs(x_.mass[i] - result_.row_sums[i]);
    sums[2].add(rows[i]);
  }
  for (std::size_t j = 0; j < columns.size(); ++j) {
    sums[1].add(result_.at.g[j] * y_.mass[j]);
    sums[4].add(std::abs(result_.at.g[j] * y_.mass[j]));
    columns[j] = std::abs(y_.mass[j] - result_.column_sums[j]);
    sums[3].add(columns[j]);
  }
  parallel::reduce(comm_, sums);
  double moved = 0;
  result_.linear = sums[0].value();
  result_.primal = result_.linear + product_cost(comm_, x_, y_, rows, columns, cost_, moved);
  result_.dual = sums[1].value();
  result_.error_l1 = std::max(sums[2].value(), sums[3].value());
  // What the simplex method says must show in the bounds.
  const double allowed = closed_gap * std::max(sums[4].value(), result_.primal);
  result_.optimal = result_.optimal && result_.primal - result_.dual <= allowed;
}

void Pricing::finish(const std::function<void()>& poll) {
  distribute_plan();
  poll();
  certify(poll);
  root_.reset();
  finished_ = true;
}

void ExactPlan::multiply(std::span<const double> v, std::span<double> result) const {
  std::vector<double> ghost(ghosts.size());
  ghosts.forward(v, ghost);
  for (std::size_t i = 0; i + 1 < pairs.starts.size(); ++i) {
    double sum = 0;
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      sum += values[k] * ghost[pairs.columns[k]];
    }
    result[i] = sum;
  }
}

void ExactPlan::multiply_transposed(std::span<const double> u, std::span<double> result) const {
  std::vector<double> ghost(ghosts.size(), 0.0);
  for (std::size_t i = 0; i + 1 < pairs.starts.size(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      ghost[pairs.columns[k]] += values[k] * u[i];
    }
  }
  ghosts.add(ghost, result);
}

}  // namespace mensura::transport
