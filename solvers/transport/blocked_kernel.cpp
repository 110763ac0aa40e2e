// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "parallel/exact_sum.hpp"
#include "points/aligned.hpp"
#include "transport/kernel.hpp"
#include "transport/pace.hpp"
#include "transport/ring.hpp"
#include "transport/running_sum.hpp"

namespace mensura::transport {

namespace {

using linear::all;
using linear::Eight;
using linear::load;

// Sources are summed in chunks: their exponents stay in the first cache, and a chunk whose box is
// too far away to matter is passed over.
constexpr std::size_t chunk = 32;

// A chunk of sources in memory: coordinates axis after axis, logarithms of the weights, the box of
// the points (lower and upper end per axis), the largest logarithm.
struct ChunkLayout {
  std::size_t dimension;
  std::size_t logarithms() const { return dimension * chunk; }
  std::size_t box() const { return logarithms() + chunk; }
  std::size_t top() const { return box() + 2 * dimension; }
  std::size_t size() const { return top() + 1; }
};

// Distances of eight targets from sources and from boxes, without the weight of the cost. Static
// dimensions keep the targets in registers.
template <int D>
struct Targets {
  static constexpr std::size_t held = D;
  [[gnu::always_inline]] Targets(std::size_t /*dimension*/, const double* x) {
    for (std::size_t a = 0; a < held; ++a) at[a] = load(x + 8 * a);
  }
  // Inlined, or GCC folds those of two dimensions into one and warns about the smaller array.
  [[gnu::always_inline]] static constexpr std::size_t dimension() { return held; }
  [[gnu::always_inline]] const Eight& operator[](std::size_t axis) const { return at[axis]; }
  Eight at[held];
};
template <>
struct Targets<0> {
  Targets(std::size_t dimension_of_points, const double* x) : d(dimension_of_points), from(x) {}
  std::size_t dimension() const { return d; }
  Eight operator[](std::size_t axis) const { return load(from + 8 * axis); }
  std::size_t d;
  const double* from;
};

template <int D>
[[gnu::always_inline]] inline Eight squared_distance(const Targets<D>& x, const double* y) {
  const Eight z = x[0] - all(y[0]);
  Eight sum = z * z;
  for (std::size_t a = 1; a < x.dimension(); ++a) {
    const Eight next = x[a] - all(y[a * chunk]);
    sum = fused(next, next, sum);
  }
  return sum;
}

// Distance from a box along one axis, 0 inside.
[[gnu::always_inline]] inline Eight outside(const Eight& x, double lower, double upper) {
  return at_least(larger(all(lower) - x, x - all(upper)), 0);
}

template <int D>
[[gnu::always_inline]] inline Eight squared_distance_of_box(const Targets<D>& x,
                                                            const double* box) {
  Eight sum = all(0.0);
  for (std::size_t a = 0; a < x.dimension(); ++a) {
    const Eight z = outside(x[a], box[a], box[x.dimension() + a]);
    sum = fused(z, z, sum);
  }
  return sum;
}

template <int D>
struct SquaredEuclidean {
  explicit SquaredEuclidean(const Cost& /*cost*/) {}
  static constexpr int dimension = D;
  static constexpr double slowness = 1;
  [[gnu::always_inline]] Eight of(const Targets<D>& x, const double* y) const {
    return squared_distance(x, y);
  }
  [[gnu::always_inline]] Eight least(const Targets<D>& x, const double* box) const {
    return squared_distance_of_box(x, box);
  }
};

struct Power {
  explicit Power(const Cost& cost) : exponent(cost.power() / 2) {}
  static constexpr int dimension = 0;
  static constexpr double slowness = 20;
  double exponent;
  Eight raised(const Eight& square) const {
    if (exponent == 0.5) return root(square);
    alignas(64) double lanes[8];
    store(square, lanes);
    for (double& lane : lanes) lane = std::pow(lane, exponent);
    return load(lanes);
  }
  Eight of(const Targets<0>& x, const double* y) const { return raised(squared_distance(x, y)); }
  Eight least(const Targets<0>& x, const double* box) const {
    return raised(squared_distance_of_box(x, box));
  }
};

[[gnu::always_inline]] inline Eight magnitude(const Eight& z) {
  return larger(z, all(0.0) - z);
}

struct Absolute {
  explicit Absolute(const Cost& /*cost*/) {}
  static constexpr int dimension = 0;
  static constexpr double slowness = 1;
  Eight of(const Targets<0>& x, const double* y) const {
    Eight sum = magnitude(x[0] - all(y[0]));
    for (std::size_t a = 1; a < x.dimension(); ++a) {
      sum = sum + magnitude(x[a] - all(y[a * chunk]));
    }
    return sum;
  }
  Eight least(const Targets<0>& x, const double* box) const {
    Eight sum = outside(x[0], box[0], box[x.dimension()]);
    for (std::size_t a = 1; a < x.dimension(); ++a) {
      sum = sum + outside(x[a], box[a], box[x.dimension() + a]);
    }
    return sum;
  }
};

struct Periodic {
  explicit Periodic(const Cost& cost) : period(cost.period()) {}
  static constexpr int dimension = 0;
  static constexpr double slowness = 2;
  std::vector<double> period;
  Eight of(const Targets<0>& x, const double* y) const {
    constexpr double to_integer = 0x1.8p52;  // pushes the fraction off the end of the significand
    Eight sum = all(0.0);
    for (std::size_t a = 0; a < x.dimension(); ++a) {
      const Eight z = x[a] - all(y[a * chunk]);
      const Eight turns = fused(z, all(1 / period[a]), all(to_integer)) - all(to_integer);
      const Eight rest = fused(turns, all(-period[a]), z);
      sum = fused(rest, rest, sum);
    }
    return sum;
  }
  // The nearest image of a box is not worth finding.
  Eight least(const Targets<0>& /*x*/, const double* /*box*/) const { return all(0.0); }
};

// Points whose sums are wanted, in groups of eight.
struct Groups {
  std::size_t count = 0;
  points::AlignedVector<double> coordinates;  // groups x dimension x 8
};

Groups groups_of(const Cloud& cloud) {
  const auto d = static_cast<std::size_t>(cloud.dimension);
  Groups groups;
  groups.count = (cloud.own() + 7) / 8;
  groups.coordinates.resize(groups.count * d * 8);
  for (std::size_t i = 0; i < groups.count * 8; ++i) {
    const std::size_t point = std::min(i, cloud.own() - 1);  // the last one fills up the lanes
    for (std::size_t a = 0; a < d; ++a) {
      groups.coordinates[(i / 8 * d + a) * 8 + i % 8] = cloud.coordinates[point * d + a];
    }
  }
  return groups;
}

std::int64_t length_of_chunks(std::int64_t points, const ChunkLayout& layout) {
  constexpr auto width = static_cast<std::int64_t>(chunk);
  return (points + width - 1) / width * static_cast<std::int64_t>(layout.size());
}

// Chunks of the cloud with logarithms of the weights m(y) exp(potential / epsilon).
std::vector<double> chunks_of(const Cloud& cloud, std::span<const double> potential,
                              double epsilon) {
  const ChunkLayout layout{static_cast<std::size_t>(cloud.dimension)};
  std::vector<double> result(
      static_cast<std::size_t>(length_of_chunks(static_cast<std::int64_t>(cloud.own()), layout)));
  for (std::size_t begin = 0; begin < cloud.own(); begin += chunk) {
    double* to = &result[begin / chunk * layout.size()];
    double top = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < chunk; ++i) {
      const bool real = begin + i < cloud.own();
      const std::size_t point = std::min(begin + i, cloud.own() - 1);
      const double logarithm = real ? cloud.log_mass[point] + potential[point] / epsilon
                                    : -std::numeric_limits<double>::infinity();
      to[layout.logarithms() + i] = logarithm;
      top = logarithm <= top ? top : logarithm;  // keeps a NaN
      for (std::size_t a = 0; a < layout.dimension; ++a) {
        const double x = cloud.coordinates[point * layout.dimension + a];
        double &lower = to[layout.box() + a], &upper = to[layout.box() + layout.dimension + a];
        to[a * chunk + i] = x;
        lower = i == 0 ? x : std::min(lower, x);
        upper = i == 0 ? x : std::max(upper, x);
      }
    }
    to[layout.top()] = top;
  }
  return result;
}

// What a sum needs besides the points.
struct Scale {
  double factor;      // - weight / epsilon: from distances to exponents
  double negligible;  // how far below the largest exponent terms cannot be noticed
};

// Adds one chunk to the sums of eight targets; false when it is too far away to matter.
template <class Rule, bool Moment>
[[gnu::always_inline]] inline bool add_chunk(const Rule& rule, const Targets<Rule::dimension>& x,
                                             const double* from, const ChunkLayout& layout,
                                             const Scale& scale, RunningSum& sum) {
  const Eight limit = sum.largest - all(scale.negligible);
  const Eight factor = all(scale.factor);
  const Eight bound = fused(rule.least(x, from + layout.box()), factor, all(from[layout.top()]));
  if (all_below(bound, limit)) return false;
  alignas(64) double exponents[8 * chunk];
  alignas(64) double distances[Moment ? 8 * chunk : 8];
  Eight top = all(-std::numeric_limits<double>::infinity());
  const double* logarithms = from + layout.logarithms();
  for (std::size_t i = 0; i < chunk; ++i) {
    const Eight distance = rule.of(x, from + i);
    const Eight exponent = fused(distance, factor, all(logarithms[i]));
    top = larger(top, exponent);
    store(exponent, exponents + 8 * i);
    if constexpr (Moment) store(distance, distances + 8 * i);
  }
  if (all_below(top, limit)) return false;
  sum.add<Moment>(exponents, distances, chunk, top);
  return true;
}

// Adds a block of chunks to the sums of one group. `hint` is a chunk that mattered to the group
// before, a neighbour: with it first the largest exponents are known early.
template <class Rule, bool Moment>
void add_block(const Rule& rule, const double* coordinates, std::span<const double> block,
               const ChunkLayout& layout, const Scale& scale, std::size_t& hint, RunningSum& sum) {
  const Targets<Rule::dimension> x(layout.dimension, coordinates);
  const std::size_t chunks = block.size() / layout.size();
  const std::size_t first = hint;
  RunningSum state = sum;
  const double* begin = block.data();
  if (first < chunks) {
    add_chunk<Rule, Moment>(rule, x, begin + first * layout.size(), layout, scale, state);
  }
  for (std::size_t c = 0; c < chunks; ++c) {
    if (c == first) continue;
    const Eight before = state.largest;
    if (!add_chunk<Rule, Moment>(rule, x, begin + c * layout.size(), layout, scale, state)) {
      continue;
    }
    if (all_below(before, state.largest)) hint = c;
  }
  sum = state;
}

template <class Rule>
class BlockedKernel final : public Kernel {
 public:
  BlockedKernel(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                const Cost& cost)
      : comm_(comm), x_(x), y_(y), cost_(cost), rule_(cost) {
    const std::int64_t own[2] = {static_cast<std::int64_t>(x.own()),
                                 static_cast<std::int64_t>(y.own())};
    const auto all_own = comm.all_gather<std::int64_t>(own);
    const ChunkLayout layout{static_cast<std::size_t>(x.dimension)};
    for (std::size_t r = 0; r < all_own.size(); r += 2) {
      x_lengths_.push_back(length_of_chunks(all_own[r], layout));
      y_lengths_.push_back(length_of_chunks(all_own[r + 1], layout));
      most_[0] = std::max(most_[0], all_own[r]);
      most_[1] = std::max(most_[1], all_own[r + 1]);
    }
    parallel::agree(comm, [&] {
      x_groups_ = x.own() > 0 ? groups_of(x) : Groups{};
      y_groups_ = y.own() > 0 ? groups_of(y) : Groups{};
    });
  }

  void soft_rows(double epsilon, std::span<const double> g, std::span<double> f,
                 const std::function<void()>& poll) const override {
    finish(epsilon, sum<false>(epsilon, x_groups_, y_, g, y_lengths_, poll), f);
  }
  void soft_columns(double epsilon, std::span<const double> f, std::span<double> g,
                    const std::function<void()>& poll) const override {
    finish(epsilon, sum<false>(epsilon, y_groups_, x_, f, x_lengths_, poll), g);
  }
  double linear_cost(double epsilon, std::span<const double> f, std::span<const double> g,
                     const std::function<void()>& poll) const override {
    const auto sums = sum<true>(epsilon, x_groups_, y_, g, y_lengths_, poll);
    parallel::ExactSum total;
    for (std::size_t i = 0; i < x_.own(); ++i) {
      const auto [largest, moment] = lane(sums[i / 8], i % 8, true);
      total.add(std::exp(x_.log_mass[i] + f[i] / epsilon + largest) * moment * cost_.weight());
    }
    parallel::reduce(comm_, {&total, 1});
    return total.value();
  }
  std::string name() const override { return "blocked"; }

 private:
  struct Lane {
    double largest, value;
  };
  static Lane lane(const RunningSum& sum, std::size_t index, bool moment) {
    alignas(64) double largest[8], value[8];
    store(sum.largest, largest);
    store(moment ? sum.moment : sum.sum, value);
    return {largest[index], value[index]};
  }
  static void finish(double epsilon, const std::vector<RunningSum>& sums,
                     std::span<double> result) {
    for (std::size_t i = 0; i < result.size(); ++i) {
      const auto [largest, value] = lane(sums[i / 8], i % 8, false);
      result[i] = -epsilon * (largest + std::log(value));
    }
  }

  template <bool Moment>
  std::vector<RunningSum> sum(double epsilon, const Groups& groups, const Cloud& sources,
                              std::span<const double> potential,
                              std::span<const std::int64_t> lengths,
                              const std::function<void()>& poll) const;

  const parallel::Communicator& comm_;
  const Cloud& x_;
  const Cloud& y_;
  Cost cost_;
  Rule rule_;
  std::vector<std::int64_t> x_lengths_, y_lengths_;
  std::int64_t most_[2] = {0, 0};
  Groups x_groups_, y_groups_;
};

template <class Rule>
template <bool Moment>
std::vector<RunningSum> BlockedKernel<Rule>::sum(double epsilon, const Groups& groups,
                                                 const Cloud& sources,
                                                 std::span<const double> potential,
                                                 std::span<const std::int64_t> lengths,
                                                 const std::function<void()>& poll) const {
  const ChunkLayout layout{static_cast<std::size_t>(sources.dimension)};
  // A moment's terms carry distances, which weigh far points more.
  const Scale scale{-cost_.weight() / epsilon, negligible(sources.total) + (Moment ? 20 : 0)};
  // Made from global numbers: equal on all ranks.
  const double pairs = static_cast<double>(most_[0]) * static_cast<double>(most_[1]);
  const double seconds =
      pairs * 1e-9 * Rule::slowness * (1 + 0.25 * static_cast<double>(layout.dimension));
  const auto pieces = static_cast<std::size_t>(std::ceil(std::max(seconds / Pace::interval, 1.0)));
  constexpr std::size_t pairs_between_tests = 1 << 20;
  Pace pace(poll);
  std::vector<double> block;
  std::vector<RunningSum> sums;
  parallel::agree(comm_, [&] {
    block = chunks_of(sources, potential, epsilon);
    sums.resize(groups.count);
  });
  travel(comm_, block, lengths,
         [&](std::span<const double> visitor, const std::function<void()>& progress) {
           std::size_t hint = 0, since_test = 0;
           for (std::size_t piece = 0; piece < pieces; ++piece) {
             const std::size_t end = groups.count * (piece + 1) / pieces;
             for (std::size_t i = groups.count * piece / pieces; i < end; ++i) {
               add_block<Rule, Moment>(rule_, &groups.coordinates[i * 8 * layout.dimension],
                                       visitor, layout, scale, hint, sums[i]);
               since_test += 8 * chunk * (visitor.size() / layout.size());
               if (since_test < pairs_between_tests) continue;
               progress();
               since_test = 0;
             }
             pace.worked(seconds / static_cast<double>(pieces));
           }
         });
  return sums;
}

}  // namespace

std::unique_ptr<Kernel> make_blocked_kernel(const parallel::Communicator& comm, const Cloud& x,
                                            const Cloud& y, const Cost& cost) {
  const auto make = [&]<class Rule>() -> std::unique_ptr<Kernel> {
    return std::make_unique<BlockedKernel<Rule>>(comm, x, y, cost);
  };
  switch (cost.kind()) {
    case CostKind::l1:
      return make.template operator()<Absolute>();
    case CostKind::periodic:
      return make.template operator()<Periodic>();
    default:
      break;
  }
  if (cost.power() != 2) return make.template operator()<Power>();
  switch (cost.dimension()) {
    case 1:
      return make.template operator()<SquaredEuclidean<1>>();
    case 2:
      return make.template operator()<SquaredEuclidean<2>>();
    case 3:
      return make.template operator()<SquaredEuclidean<3>>();
    default:
      return make.template operator()<SquaredEuclidean<0>>();
  }
}

}  // namespace mensura::transport
