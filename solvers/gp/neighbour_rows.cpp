// SPDX-License-Identifier: BSD-3-Clause
#include "gp/neighbour_rows.hpp"

#include <algorithm>

#include "parallel/by_index.hpp"

namespace mensura::gp {

NeighbourRows::NeighbourRows(const parallel::Communicator& comm, const Pattern& pattern,
                             const RowLayout& layout, const RowWeights& weights)
    : comm_(comm),
      total_(pattern.counts[0] + pattern.counts[1] + pattern.counts[2]),
      dimension_(static_cast<std::size_t>(pattern.dimension)) {
  std::int32_t widest = 1;
  for (std::size_t p = 0; p < pattern.ids.size(); ++p) widest = std::max(widest, layout.rows_of(p));
  rows_ = static_cast<std::size_t>(comm.max(static_cast<std::int64_t>(widest)));
  const auto look = [&](const std::vector<double>& kind) {
    used_.push_back(comm.max(static_cast<std::int64_t>(!kind.empty())) > 0 ? 1 : 0);
    kinds_ += used_.back();
  };
  each_kind(look, weights);
  width_ = dimension_ + 1 + rows_ * kinds_;
  const auto own = static_cast<std::size_t>(pattern.own);
  std::vector<double> packed;
  parallel::agree(comm, [&] {
    packed.assign(own * width_, 0.0);
    for (std::size_t p = 0; p < own; ++p) {
      double* to = &packed[p * width_];
      to = std::copy_n(&pattern.coordinates[p * dimension_], dimension_, to);
      *to++ = static_cast<double>(layout.global[p]);  // exact: below 2^53
      for (auto r = static_cast<std::size_t>(layout.first[p]);
           r < static_cast<std::size_t>(layout.first[p + 1]); ++r) {
        std::size_t kind = 0;
        const auto copy = [&](const std::vector<double>& values) {
          if (used_[kind++] != 0) *to++ = values.empty() ? 0.0 : values[r];
        };
        each_kind(copy, weights);
      }
    }
  });
  blocks_ = parallel::to_blocks(comm, packed, static_cast<int>(width_),
                                std::span(pattern.ids).first(own), total_);
}

void NeighbourRows::fetch(std::span<const std::uint64_t> ids) {
  parallel::agree(comm_, [&] {
    fetched_.assign(ids.begin(), ids.end());
    std::sort(fetched_.begin(), fetched_.end());
    fetched_.erase(std::unique(fetched_.begin(), fetched_.end()), fetched_.end());
  });
  numbers_ = parallel::fetch_rows(comm_, blocks_, total_, static_cast<int>(width_), fetched_);
}

const double* NeighbourRows::row_of(std::uint64_t id) const {
  const auto place = std::lower_bound(fetched_.begin(), fetched_.end(), id) - fetched_.begin();
  return &numbers_[static_cast<std::size_t>(place) * width_];
}

void NeighbourRows::append(std::uint64_t id, Rows& block,
                           std::vector<std::int64_t>& numbers) const {
  const double* number = row_of(id);
  const auto point = static_cast<std::int32_t>(block.points());
  for (std::size_t a = 0; a < dimension_; ++a) block.coordinate[a].push_back(*number++);
  const auto first = static_cast<std::int64_t>(*number++);
  for (std::size_t r = 0; r < rows_; ++r, number += kinds_) {
    if (std::all_of(number, number + kinds_, [](double weight) { return weight == 0; })) continue;
    block.point.push_back(point);
    numbers.push_back(first + static_cast<std::int64_t>(r));
    const double* weight = number;
    std::size_t kind = 0;
    const auto copy = [&](std::vector<double>& values) {
      if (used_[kind++] != 0) values.push_back(*weight++);
    };
    each_kind(copy, block);
  }
}

std::int64_t NeighbourRows::row_with(std::uint64_t id, const Functional& functional) const {
  const double* number = row_of(id) + dimension_;
  const auto first = static_cast<std::int64_t>(*number++);
  for (std::size_t r = 0; r < rows_; ++r) {
    bool same = true;
    std::size_t kind = 0;
    const auto compare = [&](const double& wanted) {
      const double weight = used_[kind++] != 0 ? *number++ : 0;
      same = same && weight == wanted;
    };
    each_kind(compare, functional);
    if (same) return first + static_cast<std::int64_t>(r);
  }
  return -1;
}

}  // namespace mensura::gp
