// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mensura::divergence {

/// Which set the centre point belongs to: x = first set (sample of P), y = second set (sample of
/// Q).
enum class Side : int { x = 0, y = 1 };

/// The whole state of the labelled pass, for every quantity at once: how often each pair of counts
/// (n_k, n_k') occurred, n_k = number of X-points among the k nearest neighbours (self excluded).
/// Integers: adding the words of several ranks or batches is exact, so every result computed from
/// them is bitwise independent of both.
class CountHistograms {
 public:
  explicit CountHistograms(std::vector<int> neighbours);

  /// Local, hot. `counts[i]` is n_k for neighbours()[i]; `multiplicity` equal points at once.
  void add(Side side, std::span<const int> counts, std::int64_t multiplicity = 1) noexcept {
    std::int64_t* const base = words_.data() + static_cast<std::size_t>(side) * side_words_;
    const std::size_t m = neighbours_.size();
    const std::size_t* offset = offsets_.data();
    for (std::size_t i = 0; i < m; ++i) {
      const auto n = static_cast<std::size_t>(counts[i]);
      base[*offset++ + n] += multiplicity;
      for (std::size_t j = i + 1; j < m; ++j) {
        base[*offset++ + n * strides_[j] + static_cast<std::size_t>(counts[j])] += multiplicity;
      }
    }
  }

  const std::vector<int>& neighbours() const noexcept { return neighbours_; }
  /// All integers of the state, for reduction over ranks (sum) and checkpoints.
  std::span<std::int64_t> words() noexcept { return words_; }
  std::span<const std::int64_t> words() const noexcept { return words_; }

  std::int64_t points(Side side) const noexcept;  ///< number of centres seen: N or M when complete
  /// Histogram of n_k, k = neighbours()[i]: k + 1 entries.
  std::span<const std::int64_t> marginal(Side side, std::size_t i) const noexcept;
  /// Histogram of (n_k, n_k') for positions i < j: (k + 1) x (k' + 1), row-major.
  std::span<const std::int64_t> joint(Side side, std::size_t i, std::size_t j) const noexcept;
  /// X-points with no Y-point and Y-points with no X-point among the largest k.
  std::int64_t saturated() const noexcept;
  /// The same pass with the roles of the two sets exchanged: for D(q||p).
  CountHistograms swapped() const;

 private:
  std::size_t offset_of(std::size_t i, std::size_t j) const noexcept;
  std::vector<int> neighbours_;
  std::vector<std::size_t>
      offsets_;  ///< of marginal i, pairs (i, i+1), (i, i+2), ..., marginal i+1, ...
  std::vector<std::size_t> strides_;  ///< k + 1
  std::size_t side_words_ = 0;
  std::vector<std::int64_t> words_;
};

}  // namespace mensura::divergence
