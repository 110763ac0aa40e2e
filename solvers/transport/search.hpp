// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"
#include "transport/cost.hpp"

namespace mensura::transport {

/// Pairs of points: compressed rows over this rank's points of one cloud.
struct Pairs {
  std::vector<std::int64_t> starts;    ///< own rows + 1
  std::vector<std::uint32_t> columns;  ///< positions in `numbers`
  std::vector<double> cost;            ///< c(x, y) of every pair
  std::vector<std::int64_t> numbers;   ///< global numbers in the other cloud, distinct
};

/// Collective. All pairs (x, y) with c(x, y) - F_k(x) - G_k(y) <= cut for at least one k, exactly:
/// dual descent of two trees with the bounds of bounds.hpp. F_k and G_k: own values. Stops and
/// returns false on all ranks when some rank finds more than `most` pairs. With `per_row` only so
/// many of a row are kept: those of least c - F_0 - G_0, ties in random order.
bool find_pairs(const parallel::Communicator& comm, const Cloud& x,
                const std::vector<std::span<const double>>& x_fields, const Cloud& y,
                const std::vector<std::span<const double>>& y_fields, const Cost& cost, double cut,
                std::int64_t most, Pairs& result,
                std::int64_t per_row = std::numeric_limits<std::int64_t>::max());

/// Collective. min over y of c(x, y) - G(y) at the own points of x: the exact c-transform.
std::vector<double> hard_transform(const parallel::Communicator& comm, const Cloud& x,
                                   const Cloud& y, std::span<const double> g, const Cost& cost);

/// Collective. -eps log sum_y m(y) exp((g(y) - c(x, y)) / eps) at the own points of x, to relative
/// accuracy 1e-15 of the sum: terms below that share of the largest one are not visited.
std::vector<double> soft_transform(const parallel::Communicator& comm, const Cloud& x,
                                   const Cloud& y, std::span<const double> g, double epsilon,
                                   const Cost& cost);

}  // namespace mensura::transport
