// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/histograms.hpp"

#include <numeric>
#include <utility>

#include "divergence/tables.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {

CountHistograms::CountHistograms(std::vector<int> neighbours) : neighbours_(std::move(neighbours)) {
  check_neighbours(neighbours_);
  for (const int k : neighbours_) strides_.push_back(static_cast<std::size_t>(k) + 1);
  for (std::size_t i = 0; i < strides_.size(); ++i) {
    for (std::size_t j = i; j < strides_.size(); ++j) {
      offsets_.push_back(side_words_);
      side_words_ += j == i ? strides_[i] : strides_[i] * strides_[j];
    }
  }
  words_.assign(2 * side_words_, 0);
}

std::size_t CountHistograms::offset_of(std::size_t i, std::size_t j) const noexcept {
  // Rows of the triangle before row i hold m, m-1, ... entries.
  const std::size_t m = neighbours_.size();
  return offsets_[i * m - i * (i + 1) / 2 + j];
}

std::int64_t CountHistograms::points(Side side) const noexcept {
  const auto counts = marginal(side, 0);
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::span<const std::int64_t> CountHistograms::marginal(Side side, std::size_t i) const noexcept {
  return {words_.data() + static_cast<std::size_t>(side) * side_words_ + offset_of(i, i),
          strides_[i]};
}

std::span<const std::int64_t> CountHistograms::joint(Side side, std::size_t i,
                                                     std::size_t j) const noexcept {
  return {words_.data() + static_cast<std::size_t>(side) * side_words_ + offset_of(i, j),
          strides_[i] * strides_[j]};
}

std::int64_t CountHistograms::saturated() const noexcept {
  const std::size_t last = neighbours_.size() - 1;
  return marginal(Side::x, last).back() + marginal(Side::y, last).front();
}

CountHistograms CountHistograms::swapped() const {
  // n -> k - n in every axis reverses each block, and the two sides change places.
  CountHistograms result(neighbours_);
  for (std::size_t side = 0; side < 2; ++side) {
    for (std::size_t block = 0; block < offsets_.size(); ++block) {
      const std::size_t begin = offsets_[block];
      const std::size_t end = block + 1 < offsets_.size() ? offsets_[block + 1] : side_words_;
      for (std::size_t w = begin; w < end; ++w) {
        result.words_[(1 - side) * side_words_ + begin + (end - 1 - w)] =
            words_[side * side_words_ + w];
      }
    }
  }
  return result;
}

}  // namespace mensura::divergence
