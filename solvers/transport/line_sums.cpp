// SPDX-License-Identifier: BSD-3-Clause
#include "transport/line_sums.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "points/aligned.hpp"
#include "transport/running_sum.hpp"

namespace mensura::transport {

namespace {

using linear::all;
using linear::Eight;
using linear::load;

constexpr double nothing = -std::numeric_limits<double>::infinity();
// Sources whose exponents are bounded, computed and passed over together.
constexpr std::size_t chunk = 16;
// Rows of the kernel that are tabulated at a time: a table of long lines stays in the second cache.
constexpr std::size_t rows = 16;
// Below exp(-500) a product with another factor could leave the range of doubles.
constexpr double deepest = 500;

// Eight lines side by side: element k of line l lies at (l / 8 along + k) 8 + l % 8.
points::AlignedVector<double> pack(std::span<const double> values, const LineShape& shape) {
  const std::size_t groups = (shape.lines() + 7) / 8;
  points::AlignedVector<double> packed(groups * shape.along * 8, nothing);
  for (std::size_t l = 0; l < shape.lines(); l += 8) {
    double* to = &packed[l * shape.along];
    const std::size_t lanes = std::min<std::size_t>(8, shape.lines() - l);
    const double* from[8] = {};
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const std::size_t line = l + lane;
      from[lane] = &values[line / shape.inner * shape.along * shape.inner + line % shape.inner];
    }
    for (std::size_t k = 0; k < shape.along; ++k) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        to[8 * k + lane] = from[lane][k * shape.inner];
      }
    }
  }
  return packed;
}

// A block of rows of the kernel with the largest and smallest entry of every chunk.
struct Table {
  std::size_t sources = 0, chunks = 0;
  std::vector<double> entries, top, bottom;
  double lowest = 0;

  explicit Table(std::size_t count)
      : sources(count),
        chunks((count + chunk - 1) / chunk),
        entries(rows * count),
        top(rows * chunks),
        bottom(rows * chunks) {}

  void fill(const AxisLogarithm& kernel, std::size_t first, std::size_t count) {
    lowest = 0;
    for (std::size_t j = 0; j < count; ++j) {
      double* row = &entries[j * sources];
      for (std::size_t k = 0; k < sources; ++k) row[k] = kernel(first + j, k);
      for (std::size_t c = 0; c < chunks; ++c) {
        const auto [low, high] =
            std::minmax_element(row + c * chunk, row + std::min(sources, (c + 1) * chunk));
        bottom[j * chunks + c] = *low;
        top[j * chunks + c] = *high;
        lowest = std::min({lowest, *low, -*high});
      }
    }
  }
};

class LineSums {
 public:
  LineSums(std::span<const double> values, const LineShape& shape, std::size_t targets)
      : shape_(shape),
        targets_(targets),
        groups_((shape.lines() + 7) / 8),
        chunks_((shape.along + chunk - 1) / chunk),
        negligible_(negligible(static_cast<std::int64_t>(shape.along))),
        packed_(pack(values, shape)),
        result_(shape.outer * targets * shape.inner) {
    scaled_.reserve(packed_.size());  // agreed memory, which costs nothing until it is touched
    find_tops();
  }

  void rows_of(Table& table, std::size_t first, std::size_t count);
  std::vector<double> take() { return std::move(result_); }

 private:
  const double* line(std::size_t group) const { return &packed_[group * shape_.along * 8]; }
  void find_tops();
  void exponentials();
  void products(std::size_t group, const Table& table, std::size_t first, std::size_t count);
  Eight exact(std::size_t group, const double* row, const double* top, const double* bottom) const;
  void put(std::size_t group, std::size_t target, const double* lanes);

  LineShape shape_;
  std::size_t targets_, groups_, chunks_;
  double negligible_;
  points::AlignedVector<double> packed_;
  points::AlignedVector<double> tops_;     // groups x chunks x 8
  points::AlignedVector<double> largest_;  // groups x 8, finite
  points::AlignedVector<double> scaled_;   // exp(packed - largest), when somebody asked for it
  std::vector<double> result_;
};

void LineSums::find_tops() {
  tops_.resize(groups_ * chunks_ * 8);
  largest_.resize(groups_ * 8);
  for (std::size_t g = 0; g < groups_; ++g) {
    Eight largest = all(-1e300);
    for (std::size_t c = 0; c < chunks_; ++c) {
      Eight top = all(nothing);
      for (std::size_t k = c * chunk; k < std::min(shape_.along, (c + 1) * chunk); ++k) {
        top = larger(top, load(line(g) + 8 * k));
      }
      store(top, &tops_[(g * chunks_ + c) * 8]);
      largest = larger(largest, top);
    }
    store(largest, &largest_[g * 8]);
  }
}

void LineSums::exponentials() {
  scaled_.resize(packed_.size());
  for (std::size_t g = 0; g < groups_; ++g) {
    const Eight largest = load(&largest_[g * 8]);
    for (std::size_t k = 0; k < shape_.along; ++k) {
      const std::size_t at = (g * shape_.along + k) * 8;
      store(exponential(at_least(load(&packed_[at]) - largest, -800)), &scaled_[at]);
    }
  }
}

void LineSums::put(std::size_t group, std::size_t target, const double* lanes) {
  const std::size_t end = std::min<std::size_t>(8, shape_.lines() - group * 8);
  for (std::size_t lane = 0; lane < end; ++lane) {
    const std::size_t line_number = group * 8 + lane;
    result_[(line_number / shape_.inner * targets_ + target) * shape_.inner +
            line_number % shape_.inner] = lanes[lane];
  }
}

// Eight rows at a time keep the multipliers busy.
void LineSums::products(std::size_t group, const Table& table, std::size_t first,
                        std::size_t count) {
  const double* from = &scaled_[group * shape_.along * 8];
  for (std::size_t j = 0; j < count; j += 8) {
    Eight sum[8];
    const double* row[8];
    for (std::size_t r = 0; r < 8; ++r) {
      sum[r] = all(0.0);
      row[r] = &table.entries[std::min(j + r, count - 1) * table.sources];
    }
    for (std::size_t k = 0; k < shape_.along; ++k) {
      const Eight value = load(from + 8 * k);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < 8; ++r) sum[r] = fused(value, all(row[r][k]), sum[r]);
    }
    for (std::size_t r = 0; r < std::min<std::size_t>(8, count - j); ++r) {
      alignas(64) double lanes[8];
      store(sum[r], lanes);
      for (std::size_t l = 0; l < 8; ++l) lanes[l] = largest_[group * 8 + l] + std::log(lanes[l]);
      put(group, first + j + r, lanes);
    }
  }
}

Eight LineSums::exact(std::size_t group, const double* row, const double* top,
                      const double* bottom) const {
  const double* tops = &tops_[group * chunks_ * 8];
  Eight limit = all(-1e300);  // the largest exponent is not below it
  for (std::size_t c = 0; c < chunks_; ++c) {
    limit = larger(limit, load(tops + 8 * c) + all(bottom[c]));
  }
  const Eight margin = all(negligible_);
  limit = limit - margin;
  RunningSum sum;
  for (std::size_t c = 0; c < chunks_; ++c) {
    if (all_below(load(tops + 8 * c) + all(top[c]), limit)) continue;
    const std::size_t first = c * chunk, count = std::min(chunk, shape_.along - first);
    alignas(64) double exponents[8 * chunk];
    Eight highest = all(nothing);
    for (std::size_t k = 0; k < count; ++k) {
      const Eight exponent = load(line(group) + 8 * (first + k)) + all(row[first + k]);
      highest = larger(highest, exponent);
      store(exponent, exponents + 8 * k);
    }
    sum.add<false>(exponents, nullptr, count, highest);
    limit = larger(limit, sum.largest - margin);
  }
  alignas(64) double lanes[8], largest[8];
  store(sum.sum, lanes);
  store(sum.largest, largest);
  for (std::size_t l = 0; l < 8; ++l) lanes[l] = largest[l] + std::log(lanes[l]);
  return load(lanes);
}

void LineSums::rows_of(Table& table, std::size_t first, std::size_t count) {
  if (table.lowest > -deepest) {
    if (scaled_.empty()) exponentials();
    for (double& entry : table.entries) entry = std::exp(entry);
    for (std::size_t g = 0; g < groups_; ++g) products(g, table, first, count);
    return;
  }
  for (std::size_t g = 0; g < groups_; ++g) {
    for (std::size_t j = 0; j < count; ++j) {
      alignas(64) double lanes[8];
      store(exact(g, &table.entries[j * table.sources], &table.top[j * chunks_],
                  &table.bottom[j * chunks_]),
            lanes);
      put(g, first + j, lanes);
    }
  }
}

}  // namespace

std::vector<double> line_sums(const parallel::Communicator& comm, std::span<const double> values,
                              const LineShape& shape, std::size_t targets,
                              const AxisLogarithm& kernel, std::size_t most_lines, Pace& pace) {
  std::optional<LineSums> sums;
  std::optional<Table> table;
  parallel::agree(comm, [&] {
    sums.emplace(values, shape, targets);
    table.emplace(shape.along);
  });
  for (std::size_t first = 0; first < targets; first += rows) {
    const std::size_t count = std::min(rows, targets - first);
    table->fill(kernel, first, count);
    sums->rows_of(*table, first, count);
    pace.worked(1e-9 * static_cast<double>(count * shape.along) *
                static_cast<double>(most_lines + 8));
  }
  return sums->take();
}

}  // namespace mensura::transport
