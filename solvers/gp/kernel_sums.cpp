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

KernelSums::KernelSums(const parallel::Communicator& comm, const Prior& prior, const Rows& sources,
                       std::span<const std::uint64_t> ids, std::int64_t total)
    : comm_(comm),
      dimension_(sources.dimension),
      ids_(ids.begin(), ids.end()),
      total_(total),
      tiles_(ceil_of(total, TileSums::size)) {
  fields_.emplace_back(prior.first, dimension_);
  if (prior.second) fields_.emplace_back(*prior.second, dimension_);
  sources_ = laid_out(sources);
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

Functionals KernelSums::laid_out(const Rows& rows) const {
  std::array<bool, 2> split{};
  for (std::size_t f = 0; f < fields_.size(); ++f) split[f] = !fields_[f].isotropic();
  Functionals functionals;
  functionals.assign(rows, fields_[0].basis(), std::span(split).first(fields_.size()));
  return functionals;
}

// Of any rank, field by field.
std::vector<KernelSums::Column> KernelSums::columns_in_use(const Functionals& functionals) const {
  const std::size_t count = fields_[0].basis().count();
  std::vector<double> used(fields_.size() * count);
  for (std::size_t c = 0; c < used.size(); ++c) {
    used[c] = functionals.active(c / count, c % count) ? 1 : 0;
  }
  comm_.max(std::span(used));
  std::vector<Column> columns;
  for (std::size_t c = 0; c < used.size(); ++c) {
    if (used[c] > 0) columns.push_back({c / count, c % count});
  }
  return columns;
}

void KernelSums::choose(std::span<const Column> left, std::span<const Column> right,
                        std::size_t vectors) {
  const auto of_field = [](std::span<const Column> columns, std::size_t field) {
    std::vector<std::size_t> elements;
    for (const Column& column : columns) {
      if (column.field == field) elements.push_back(column.element);
    }
    return elements;
  };
  tile_width_ = static_cast<std::size_t>(dimension_) * TileSums::size;
  width_ = 0;
  flops_ = 0;
  for (std::size_t f = 0; f < fields_.size(); ++f) {
    fields_[f].choose(of_field(left, f), of_field(right, f), vectors);
    tile_width_ += fields_[f].strengths();
    width_ += fields_[f].sums();
    flops_ += fields_[f].flops();
  }
}

// [own source point][column][vector]
std::vector<double> KernelSums::strengths(const double* coefficients,
                                          std::span<const Column> columns,
                                          std::size_t vectors) const {
  const std::size_t width = columns.size() * vectors;
  std::vector<double> result(sources_.points() * width, 0.0);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const auto [field, element] = columns[c];
    if (!sources_.active(field, element)) continue;
    const double* weights = sources_.weights(field, element);
    for (std::size_t r = 0; r < sources_.rows(); ++r) {
      if (weights[r] == 0) continue;
      const double weight = fields_[field].sign(element) * weights[r];
      double* to = &result[sources_.point(r) * width + c * vectors];
      for (std::size_t v = 0; v < vectors; ++v) to[v] += weight * coefficients[r * vectors + v];
    }
  }
  return result;
}

// A tile: coordinates by axis, then strengths; `columns` per point.
void KernelSums::fill(std::span<double> packet, std::span<const double> strengths,
                      std::size_t columns) const {
  const auto d = static_cast<std::size_t>(dimension_);
  for (std::size_t first = 0; first < tiled_.size(); first += TileSums::size) {
    double* tile = packet.data() + first / TileSums::size * tile_width_;
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
  std::array<double, 176> part{};  // two fields, eleven elements, eight vectors
  std::array<const double*, 3> y{};
  std::array<double, 3> x{};
  for (std::size_t start = 0; start < packet.size(); start += tile_width_) {
    const double* tile = packet.data() + start;
    for (std::size_t a = 0; a < d; ++a) y[a] = tile + a * TileSums::size;
    for (std::size_t t = first; t < last; ++t) {
      std::copy_n(batch.x + t * d, d, x.begin());
      const double* strengths = tile + d * TileSums::size;
      double* sums = part.data();
      for (TileSums& field : fields_) {
        if (field.sums() > 0 && field.strengths() > 0) field.at(x, y, strengths, sums);
        strengths += field.strengths();
        sums += field.sums();
      }
      for (std::size_t i = 0; i < width_; ++i) batch.sums[t * width_ + i].add(part[i]);
    }
  }
}

// The sums at this rank's block of `total` target points, [point][left][vector].
std::vector<double> KernelSums::sum_block(std::span<const double> coordinates, std::int64_t total,
                                          std::span<const double> strengths,
                                          const std::function<void()>& poll) {
  const auto d = static_cast<std::size_t>(dimension_);
  const std::size_t points = coordinates.size() / d;
  const Blocks blocks{tiles_, comm_.size()};
  std::vector<std::int64_t> sizes;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    sizes.push_back(blocks.size(rank) * static_cast<std::int64_t>(tile_width_));
  }
  parallel::Ring ring(comm_, std::move(sizes));
  fill(ring.held(), strengths, tile_width_ / TileSums::size - d);
  // The same on all ranks: targets of a batch, batches, pieces of a step, and work of a piece.
  const std::size_t at_once =
      std::max<std::size_t>(1, std::min(targets_at_once, sums_at_once / width_));
  const auto most = static_cast<std::size_t>(ceil_of(total, comm_.size()));
  const double step_work = static_cast<double>(std::min(at_once, most)) *
                           static_cast<double>(ceil_of(tiles_, comm_.size()) *
                                               static_cast<std::int64_t>(TileSums::size)) *
                           flops_;
  const auto pieces = static_cast<std::size_t>(std::ceil(step_work / between_polls));
  double work = 0;
  std::vector<double> result;
  for (std::size_t begin = 0; begin < most; begin += at_once) {
    const std::size_t count = std::min(points, begin + at_once) - std::min(points, begin);
    Batch batch{coordinates.data() + std::min(points, begin) * d, {}};
    batch.sums.resize(count * width_);
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
  const Functionals wanted = laid_out(targets);
  const auto left = columns_in_use(wanted), right = columns_in_use(sources_);
  choose(left, right, vectors);
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
  const auto at_points =
      parallel::fetch_rows(comm_, block, total, static_cast<int>(width_), numbers);
  for (std::size_t c = 0; c < left.size(); ++c) {
    if (!wanted.active(left[c].field, left[c].element)) continue;
    const double* weights = wanted.weights(left[c].field, left[c].element);
    for (std::size_t r = 0; r < wanted.rows(); ++r) {
      const double* from = &at_points[wanted.point(r) * width_ + c * vectors];
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
