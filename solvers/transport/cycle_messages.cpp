// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cycle_messages.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "linear/exponential.hpp"
#include "transport/cycle_logarithm.hpp"
#include "transport/running_sum.hpp"

namespace mensura::transport {

namespace {

using namespace linear;  // Eight lanes and what is done with them

constexpr double nothing = -1e300;    // finite: differences with it make no NaN
constexpr double least_sum = 1e-280;  // sums above it have lost nothing to underflow
const double log_least = std::log(least_sum);

}  // namespace

// One message for all own columns: from the sources' side of the costs to the targets'.
struct CycleMessages::Task {
  const CycleCosts& costs;
  const std::vector<double>& least;  // tiles of rows x tiles of columns
  bool transposed;                   // sources are the columns of the matrix
  const Columns& in;
  const Relevance& relevance;
  Columns& out;
  std::size_t sources() const { return transposed ? costs.columns : costs.rows; }
  std::size_t targets() const { return transposed ? costs.rows : costs.columns; }
  double cost(std::size_t source, std::size_t target) const {
    return transposed ? costs(target, source) : costs(source, target);
  }
};

// Sources tile by tile: exp(in - top) and the tiles' largest values.
struct CycleMessages::Sources {
  std::size_t tiles, padded;
  points::AlignedVector<double> values, top;

  Sources(const Columns& in, std::size_t n, std::size_t groups, std::size_t tile)
      : tiles((n + tile - 1) / tile),
        padded(tiles * tile),
        values(groups * padded * 8, 0.0),
        top(groups * tiles * 8) {
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t s = 0; s < tiles; ++s) {
        const std::size_t end = std::min(n, (s + 1) * tile);
        Eight largest = all(nothing);
        for (std::size_t i = s * tile; i < end; ++i) {
          largest = larger(load(&in[(g * n + i) * 8]), largest);
        }
        store(largest, &top[(g * tiles + s) * 8]);
        for (std::size_t i = s * tile; i < end; ++i) {
          store(exponential(at_least(load(&in[(g * n + i) * 8]) - largest, -800)),
                &values[(g * padded + i) * 8]);
        }
      }
    }
  }
};

// The kernel between one tile of targets and all tiles of sources, made as needed.
struct CycleMessages::Strip {
  points::AlignedVector<double> entries;
  std::vector<char> made;
  std::size_t tile;

  Strip(std::size_t tiles, std::size_t tile_size)
      : entries(tiles * tile_size * tile_size + 8), made(tiles, 0), tile(tile_size) {}
  void reset() { std::ranges::fill(made, 0); }

  const double* at(const Task& task, std::size_t s, std::size_t t, double least, double inverse) {
    double* block = &entries[s * tile * tile];
    if (made[s] != 0) return block;
    made[s] = 1;
    const std::size_t i_end = std::min(tile, task.sources() - s * tile);
    const std::size_t j_end = std::min(tile, task.targets() - t * tile);
    std::fill(block, block + tile * tile, nothing);
    for (std::size_t i = 0; i < i_end; ++i) {
      for (std::size_t j = 0; j < j_end; ++j) {
        block[i * tile + j] = (least - task.cost(s * tile + i, t * tile + j)) * inverse;
      }
    }
    exponentiate(block, tile * tile);
    return block;
  }
  static void exponentiate(double* block, std::size_t count) {
    alignas(64) double lanes[8];
    for (std::size_t i = 0; i < count; i += 8) {
      const std::size_t width = std::min<std::size_t>(8, count - i);
      std::fill(lanes, lanes + 8, -800.0);
      std::copy(block + i, block + i + width, lanes);
      store(exponential(at_least(load(lanes), -800)), lanes);
      std::copy(lanes, lanes + width, block + i);
    }
  }
};

namespace {

// sums[j] += weight * sum_i block[i][j] * values[i]
template <std::size_t T>
[[gnu::always_inline]] inline void add_product(const double* block, const double* values,
                                               const Eight& weight, Eight* sums) {
  constexpr std::size_t width = T < 8 ? T : 8;
  for (std::size_t j = 0; j < T; j += width) {
    Eight part[width];
    for (std::size_t q = 0; q < width; ++q) part[q] = all(0.0);
    for (std::size_t i = 0; i < T; ++i) {
      const Eight value = load(values + 8 * i);
      for (std::size_t q = 0; q < width; ++q) {
        part[q] = fused(all(block[i * T + j + q]), value, part[q]);
      }
    }
    for (std::size_t q = 0; q < width; ++q) sums[j + q] = fused(weight, part[q], sums[j + q]);
  }
}

// log sum_x exp(in(x) - c(x) / eps) without any shortcut; `c` has a stride.
Eight in_logarithms(const double* in, std::size_t n, const double* c, std::size_t stride,
                    double inverse, double cut) {
  Eight largest = all(nothing);
  for (std::size_t i = 0; i < n; ++i) {
    largest = larger(load(in + 8 * i) - all(c[i * stride] * inverse), largest);
  }
  Eight sum = all(0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const Eight exponent = load(in + 8 * i) - all(c[i * stride] * inverse) - largest;
    if (!all_below(exponent, all(-cut))) sum = sum + exponential(at_least(exponent, -800));
  }
  return largest + logarithm(sum);
}

Eight at_target(const Relevance& relevance, std::size_t place) {
  return relevance.reach == nullptr ? all(-nothing) : load(&(*relevance.reach)[place * 8]);
}

// Columns that matter here have lost digits to underflow; the others keep the bound.
bool lost(const Eight& sum, const Eight& result, const Eight& reach, const Eight& floor) {
  alignas(64) double sums[8], values[8], floors[8];
  store(sum, sums);
  store(result + reach, values);
  store(floor, floors);
  for (std::size_t lane = 0; lane < 8; ++lane) {
    if (!(sums[lane] > least_sum) && values[lane] >= floors[lane]) return true;
  }
  return false;
}

// The largest reach over the targets of a tile.
Eight tile_reach(const Relevance& relevance, std::size_t begin, std::size_t end) {
  if (relevance.reach == nullptr) return all(-nothing);
  Eight reach = all(nothing);
  for (std::size_t j = begin; j < end; ++j) reach = larger(load(&(*relevance.reach)[j * 8]), reach);
  return reach;
}

}  // namespace

template <std::size_t T>
void CycleMessages::send(const Task& task) {
  const std::size_t n = task.sources(), m = task.targets();
  const double inverse = 1 / epsilon_, cut = negligible(static_cast<std::int64_t>(n));
  const double terms = std::log(static_cast<double>(n));
  const Sources sources(task.in, n, data_.groups, T);
  const std::size_t target_tiles = (m + T - 1) / T;
  Strip strip(sources.tiles, T);
  points::AlignedVector<double> bounds(sources.tiles * 8);
  std::vector<double> least(sources.tiles);
  for (std::size_t t = 0; t < target_tiles; ++t) {
    strip.reset();
    for (std::size_t s = 0; s < sources.tiles; ++s) {
      least[s] =
          task.transposed ? task.least[t * sources.tiles + s] : task.least[s * target_tiles + t];
    }
    const std::size_t begin = t * T, end = std::min(m, begin + T);
    for (std::size_t g = 0; g < data_.groups; ++g) {
      ++work_.visits;
      Eight best = all(nothing);
      for (std::size_t s = 0; s < sources.tiles; ++s) {
        const Eight bound =
            load(&sources.top[(g * sources.tiles + s) * 8]) - all(least[s] * inverse);
        store(bound, &bounds[s * 8]);
        best = larger(bound, best);
      }
      const Eight reach = tile_reach(task.relevance, g * m + begin, g * m + end);
      const Eight floor =
          task.relevance.reach == nullptr ? all(nothing) : load(&task.relevance.floor[g * 8]);
      if (all_below(best + reach + all(terms), floor)) {
        for (std::size_t j = begin; j < end; ++j) {
          store(best + all(terms), &task.out[(g * m + j) * 8]);
        }
        continue;
      }
      Eight sums[T];
      for (std::size_t j = 0; j < T; ++j) sums[j] = all(0.0);
      const auto add = [&](std::size_t s) {
        const double* block = strip.at(task, s, t, least[s], inverse);
        const Eight weight = exponential(at_least(load(&bounds[s * 8]) - best, -800));
        add_product<T>(block, &sources.values[(g * sources.padded + s * T) * 8], weight, sums);
        ++work_.tiles;
      };
      // The best tile of every column first: it tells what the others have to reach.
      for (std::size_t s = 0; s < sources.tiles; ++s) {
        if (!all_below(load(&bounds[s * 8]), best)) add(s);
      }
      Eight smallest = sums[0];
      for (std::size_t j = 1; j < end - begin; ++j) {
        smallest = all(0.0) - larger(all(0.0) - sums[j], all(0.0) - smallest);
      }
      Eight threshold = logarithm(at_least(smallest, least_sum));
      threshold = larger(floor - reach - best, threshold) + best - all(cut);
      for (std::size_t s = 0; s < sources.tiles; ++s) {
        const Eight bound = load(&bounds[s * 8]);
        if (all_below(bound, best) && !all_below(bound + all(std::log(double(T))), threshold)) {
          add(s);
        }
      }
      work_.sums += static_cast<std::int64_t>(end - begin);
      for (std::size_t j = begin; j < end; ++j) {
        const Eight sum = sums[j - begin];
        const Eight result = best + logarithm(at_least(sum, least_sum));
        store(result, &task.out[(g * m + j) * 8]);
        if (all_below(all(least_sum), sum)) continue;
        if (!lost(sum, result, at_target(task.relevance, g * m + j), floor)) continue;
        ++work_.repeats;
        const double* c =
            task.transposed ? &task.costs.entries[j * task.costs.columns] : &task.costs.entries[j];
        store(in_logarithms(&task.in[g * n * 8], n, c, task.transposed ? 1 : task.costs.columns,
                            inverse, cut),
              &task.out[(g * m + j) * 8]);
      }
    }
  }
}

void CycleMessages::set_epsilon(double epsilon) {
  epsilon_ = epsilon;
}

void CycleMessages::set_tile(std::size_t tile) {
  if (tile == tile_) return;
  tile_ = tile;
  least_.clear();
}

CycleMessages::Work CycleMessages::take_work() {
  return std::exchange(work_, {});
}

// The least costs between tiles.
const std::vector<double>& CycleMessages::least(const CycleCosts& costs) {
  std::vector<double>& result = least_[&costs];
  if (!result.empty()) return result;
  const std::size_t across = (costs.columns + tile_ - 1) / tile_;
  result.assign((costs.rows + tile_ - 1) / tile_ * across, std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < costs.rows; ++i) {
    for (std::size_t j = 0; j < costs.columns; ++j) {
      double& entry = result[i / tile_ * across + j / tile_];
      entry = std::min(entry, costs(i, j));
    }
  }
  return result;
}

void CycleMessages::dispatch(const Task& task) {
  switch (tile_) {
    case 1:
      return send<1>(task);
    case 2:
      return send<2>(task);
    case 4:
      return send<4>(task);
    case 8:
      return send<8>(task);
    case 16:
      return send<16>(task);
    default:
      return send<largest_tile>(task);
  }
}

void CycleMessages::forward(std::size_t edge, const Columns& in, const Relevance& relevance,
                            Columns& out) {
  const CycleCosts& costs = *data_.edges[edge];
  out.resize(data_.groups * costs.columns * 8);
  dispatch({costs, least(costs), false, in, relevance, out});
}

void CycleMessages::backward(std::size_t edge, const Columns& in, const Relevance& relevance,
                             Columns& out) {
  const CycleCosts& costs = *data_.edges[edge];
  out.resize(data_.groups * costs.rows * 8);
  dispatch({costs, least(costs), true, in, relevance, out});
}

}  // namespace mensura::transport
