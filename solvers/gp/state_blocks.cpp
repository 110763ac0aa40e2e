// SPDX-License-Identifier: BSD-3-Clause
#include "gp/state_blocks.hpp"

#include <algorithm>

#include "parallel/by_index.hpp"

namespace mensura::gp {

namespace {

std::span<const std::uint64_t> own_ids(const Pattern& pattern) {
  return std::span(pattern.ids).first(static_cast<std::size_t>(pattern.own));
}

}  // namespace

StateBlocks::StateBlocks(const parallel::Communicator& comm, const Pattern& pattern,
                         const RowLayout& layout, int width)
    : comm_(comm),
      pattern_(pattern),
      layout_(layout),
      width_(static_cast<std::size_t>(width)),
      total_(pattern.counts[0] + pattern.counts[1] + pattern.counts[2]) {}

std::vector<double> StateBlocks::from_rows(std::span<const double> rows) const {
  const auto own = static_cast<std::size_t>(pattern_.own);
  std::vector<double> padded(own * width_, 0.0);
  for (std::size_t p = 0; p < own; ++p) {
    std::copy_n(&rows[static_cast<std::size_t>(layout_.first[p])], layout_.rows_of(p),
                &padded[p * width_]);
  }
  return from_points(padded, width());
}

std::vector<double> StateBlocks::to_rows(std::span<const double> block) const {
  const auto padded = to_points(block, width());
  std::vector<double> rows(static_cast<std::size_t>(layout_.own));
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    std::copy_n(&padded[p * width_], layout_.rows_of(p),
                &rows[static_cast<std::size_t>(layout_.first[p])]);
  }
  return rows;
}

std::vector<double> StateBlocks::from_points(std::span<const double> values, int numbers) const {
  return parallel::to_blocks(comm_, values, numbers, own_ids(pattern_), total_);
}

std::vector<double> StateBlocks::to_points(std::span<const double> block, int numbers) const {
  return parallel::fetch_rows(comm_, block, total_, numbers, own_ids(pattern_));
}

}  // namespace mensura::gp
