// SPDX-License-Identifier: BSD-3-Clause
#include "gp/kernel_sums.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/ring.hpp"

namespace mensura::gp {

using linear::Eight;
using parallel::Blocks;

namespace {

// Target points and exact sums that a rank works on while the sources go round once. Few, so that
// the sums stay in cache; each round of N sources is worth thousands of pairs per number sent.
constexpr std::size_t targets_at_once = 2048, sums_at_once = 1 << 15;
// Flops between two polls, a second or two.
constexpr double between_polls = 8e9;

std::int64_t ceil_of(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

std::vector<double> row_major(const Rows& rows) {
  std::vector<double> result;
  for (std::size_t p = 0; p < rows.points(); ++p) {
    for (std::size_t a = 0; a < static_cast<std::size_t>(rows.dimension); ++a) {
      result.push_back(rows.coordinate[a][p]);
    }
  }
  return result;
}

}  // namespace

/// The targets of one round.
struct KernelSums::Batch {
  const double* x = nullptr;  ///< row-major
  std::vector<parallel::ExactSum> sums;
};

KernelSums::KernelSums(const parallel::Communicator& comm, const Kernel& prior, const Rows& sources,
                       std::span<const std::uint64_t> ids, std::int64_t total)
    : comm_(comm),
      dimension_(sources.dimension),
      sums_(prior, sources.dimension),
      ids_(ids.begin(), ids.end()),
      total_(total),
      tiles_(ceil_of(total, TileSums::size)) {
  lay_out(sources, sources_);
  const Blocks blocks{tiles_, comm.size()};
  const auto start = [&](int rank) {
    return std::min(total, blocks.begin(rank) * static_cast<std::int64_t>(TileSums::size));
  };
  tiled_.resize(static_cast<std::size_t>(start(comm.rank() + 1) - start(comm.rank())));
  std::iota(tiled_.begin(), tiled_.end(), static_cast<std::uint64_t>(start(comm.rank())));
  coordinates_ = source_rows(row_major(sources), dimension_);
}

// From own source points to those of this rank's tiles.
std::vector<double> KernelSums::source_rows(std::span<const double> own, int width) const {
  const auto blocks = parallel::to_blocks(comm_, own, width, ids_, total_);
  return parallel::fetch_rows(comm_, blocks, total_, width, tiled_);
}

// Of any rank.
// The first field of the rows.
void KernelSums::lay_out(const Rows& rows, Functionals& functionals) const {
  const std::array<bool, 1> split{!sums_.isotropic()};
  functionals.assign(rows, sums_.basis(), split);
}

std::vector<std::size_t> KernelSums::elements_in_use(const Functionals& functionals) const {
  std::vector<double> used(sums_.basis().count());
  for (std::size_t e = 0; e < used.size(); ++e) used[e] = functionals.active(0, e) ? 1 : 0;
  comm_.max(std::span(used));
  std::vector<std::size_t> elements;
  for (std::size_t e = 0; e < used.size(); ++e) {
    if (used[e] > 0) elements.push_back(e);
  }
  return elements;
}

// [own source point][element][vector]
std::vector<double> KernelSums::strengths(const double* coefficients,
                                          std::span<const std::size_t> elements,
                                          std::size_t vectors) const {
  const std::size_t width = elements.size() * vectors;
  std::vector<double> result(sources_.points() * width, 0.0);
  for (std::size_t e = 0; e < elements.size(); ++e) {
    if (!sources_.active(0, elements[e])) continue;
    const double* weights = sources_.weights(0, elements[e]);
    for (std::size_t r = 0; r < sources_.rows(); ++r) {
      if (weights[r] == 0) continue;
      const double weight = sums_.sign(elements[e]) * weights[r];
      double* to = &result[sources_.point(r) * width + e * vectors];
      for (std::size_t v = 0; v < vectors; ++v) to[v] += weight * coefficients[r * vectors + v];
    }
  }
  return result;
}

std::size_t KernelSums::tile_width() const {
  return static_cast<std::size_t>(dimension_) * TileSums::size + sums_.strengths();
}

// A tile: coordinates by axis, then strengths; `columns` per point.
void KernelSums::fill(std::span<double> packet, std::span<const double> strengths,
                      std::size_t columns) const {
  const auto d = static_cast<std::size_t>(dimension_);
  for (std::size_t first = 0; first < tiled_.size(); first += TileSums::size) {
    double* tile = packet.data() + first / TileSums::size * tile_width();
    const std::size_t count = std::min(TileSums::size, tiled_.size() - first);
    for (std::size_t j = 0; j < TileSums::size; ++j) {
      // The last tile is filled up with its first point, of no strength.
      const std::size_t point = first + (j < count ? j : 0);
      for (std::size_t a = 0; a < d; ++a) {
        tile[a * TileSums::size + j] = coordinates_[point * d + a];
      }
      for (std::size_t c = 0; c < columns; ++c) {
        tile[(d + c) * TileSums::size + j] = j < count ? strengths[point * columns + c] : 0;
      }
    }
  }
}

// Targets [first, last) of the batch against the tiles of a packet.
void KernelSums::visit(std::span<const double> packet, Batch& batch, std::size_t first,
                       std::size_t last) {
  const auto d = static_cast<std::size_t>(dimension_);
  const std::size_t count = sums_.sums();
  std::array<double, 88> part{};
  std::array<const double*, 3> y{};
  std::array<double, 3> x{};
  for (std::size_t start = 0; start < packet.size(); start += tile_width()) {
    const double* tile = packet.data() + start;
    for (std::size_t a = 0; a < d; ++a) y[a] = tile + a * TileSums::size;
    for (std::size_t t = first; t < last; ++t) {
      std::copy_n(batch.x + t * d, d, x.begin());
      sums_.at(x, y, tile + d * TileSums::size, part.data());
      for (std::size_t i = 0; i < count; ++i) batch.sums[t * count + i].add(part[i]);
    }
  }
}

// The sums at this rank's block of `total` target points, [point][left][vector].
std::vector<double> KernelSums::sum_block(std::span<const double> coordinates, std::int64_t total,
                                          std::span<const double> strengths,
                                          const std::function<void()>& poll) {
  const auto d = static_cast<std::size_t>(dimension_);
  const std::size_t points = coordinates.size() / d, width = sums_.sums();
  const Blocks blocks{tiles_, comm_.size()};
  std::vector<std::int64_t> sizes;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    sizes.push_back(blocks.size(rank) * static_cast<std::int64_t>(tile_width()));
  }
  parallel::Ring ring(comm_, std::move(sizes));
  fill(ring.held(), strengths, sums_.strengths() / TileSums::size);
  // The same on all ranks: targets of a batch, batches, pieces of a step, and work of a piece.
  const std::size_t at_once =
      std::max<std::size_t>(1, std::min(targets_at_once, sums_at_once / width));
  const auto most = static_cast<std::size_t>(ceil_of(total, comm_.size()));
  const double step_work = static_cast<double>(std::min(at_once, most)) *
                           static_cast<double>(ceil_of(tiles_, comm_.size()) *
                                               static_cast<std::int64_t>(TileSums::size)) *
                           sums_.flops();
  const auto pieces = static_cast<std::size_t>(std::ceil(step_work / between_polls));
  double work = 0;
  std::vector<double> result;
  for (std::size_t begin = 0; begin < most; begin += at_once) {
    const std::size_t count = std::min(points, begin + at_once) - std::min(points, begin);
    Batch batch{coordinates.data() + std::min(points, begin) * d, {}};
    batch.sums.resize(count * width);
    for (int step = 0; step < comm_.size(); ++step) {
      ring.begin_pass();
      for (std::size_t piece = 0; piece < pieces; ++piece) {
        visit(ring.held(), batch, count * piece / pieces, count * (piece + 1) / pieces);
        work += step_work / static_cast<double>(pieces);
        if (work < between_polls / 2) continue;
        work = 0;
        poll();
      }
      ring.end_pass();
    }
    for (const parallel::ExactSum& sum : batch.sums) result.push_back(sum.value());
  }
  poll();
  return result;
}

void KernelSums::apply(const Rows& targets, const double* coefficients, double* sums,
                       std::size_t vectors, const std::function<void()>& poll) {
  Functionals wanted;
  lay_out(targets, wanted);
  const auto left = elements_in_use(wanted), right = elements_in_use(sources_);
  sums_.choose(left, right, vectors);
  std::fill_n(sums, wanted.rows() * vectors, 0.0);
  // Targets are dealt out evenly, whoever asks for them.
  const auto count = static_cast<std::int64_t>(wanted.points());
  const std::int64_t begin = comm_.exclusive_scan(count), total = comm_.sum(count);
  if (total == 0 || total_ == 0 || left.empty() || right.empty()) return;
  std::vector<std::uint64_t> numbers(wanted.points());
  std::iota(numbers.begin(), numbers.end(), static_cast<std::uint64_t>(begin));
  const auto x = parallel::to_blocks(comm_, row_major(targets), dimension_, numbers, total);
  const auto columns = static_cast<int>(right.size() * vectors);
  const auto block =
      sum_block(x, total, source_rows(strengths(coefficients, right, vectors), columns), poll);
  const std::size_t width = sums_.sums();
  const auto at_points =
      parallel::fetch_rows(comm_, block, total, static_cast<int>(width), numbers);
  for (std::size_t e = 0; e < left.size(); ++e) {
    if (!wanted.active(0, left[e])) continue;
    const double* weights = wanted.weights(0, left[e]);
    for (std::size_t r = 0; r < wanted.rows(); ++r) {
      const double* from = &at_points[wanted.point(r) * width + e * vectors];
      for (std::size_t v = 0; v < vectors; ++v) sums[r * vectors + v] += weights[r] * from[v];
    }
  }
  pairs_ += static_cast<double>(total) * static_cast<double>(total_);
}

void KernelSums::apply(const Rows& targets, std::span<const double> coefficients,
                       std::span<double> sums, const std::function<void()>& poll) {
  parallel::require(coefficients.size() == sources_.rows() && sums.size() == targets.rows(),
                    "one coefficient per source row, one sum per target row");
  apply(targets, coefficients.data(), sums.data(), 1, poll);
}

void KernelSums::apply(const Rows& targets, std::span<const Eight> coefficients,
                       std::span<Eight> sums, const std::function<void()>& poll) {
  parallel::require(coefficients.size() == sources_.rows() && sums.size() == targets.rows(),
                    "one coefficient per source row, one sum per target row");
  apply(targets, reinterpret_cast<const double*>(coefficients.data()),
        reinterpret_cast<double*>(sums.data()), 8, poll);
}

}  // namespace mensura::gp
