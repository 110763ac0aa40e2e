// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "divergence/estimate.hpp"
#include "divergence/histograms.hpp"

namespace mensura::divergence {

/// Histograms of n = number of X-points among the k nearest neighbours, for X-centres and Y-centres
/// (k + 1 entries each).
struct RatioCounts {
  explicit RatioCounts(int neighbours);
  int k;
  std::vector<std::int64_t> words;  ///< x then y; sum over ranks and batches
  void add(Side side, int n, std::int64_t multiplicity = 1) noexcept {
    words[static_cast<std::size_t>(side) * (static_cast<std::size_t>(k) + 1) +
          static_cast<std::size_t>(n)] += multiplicity;
  }
  std::span<const std::int64_t> of(Side side) const noexcept;
  std::int64_t points(Side side) const noexcept;
  RatioCounts swapped() const;  ///< roles of the sets exchanged: for D(q||p)
};

struct NnrOptions {
  double confidence = 0.95;
  /// C_L/C_U of the paper, in (0, 1): the ratio is clipped to [c, 1/c]. Off by default (unknown
  /// densities).
  std::optional<double> density_ratio;
};

/// Local. Nearest-neighbour ratios as published (Noshad, Moon, Sekeh, Hero 2017): D_g = mean over Y
/// of g(r), r = (M/N) n/(k - n + 1); J_a = mean of r^a. Any N, M; k up to 4096. The reversed half
/// of jeffreys uses the X-centred counts. Standard error from the influence function with plug-in
/// ratios of both centrings; bias bar |D_k - D_(k/2)|: `half` holds the counts at k/2 (integer
/// division, at least 1). Throws Error{usage} on a wrong order, k < 2, or fewer than two points in
/// a set.
Estimate nnr(Quantity quantity, double order, const RatioCounts& full, const RatioCounts& half,
             const NnrOptions& options = {});

/// Local. The value alone.
double nnr_value(Quantity quantity, double order, const RatioCounts& counts,
                 const std::optional<double>& density_ratio = {});

}  // namespace mensura::divergence
