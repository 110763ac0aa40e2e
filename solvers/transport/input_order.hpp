// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"

namespace mensura::transport {

/// Collective. Rows of `width` values with distinct positions of [0, total), not all of which need
/// be held, become the block distribution of `total` rows, `fill` where nobody has any. Throws
/// Error{internal} on all ranks for a position that is out of range or held twice.
std::vector<double> to_input_blocks(const parallel::Communicator& comm,
                                    std::span<const double> rows, int width,
                                    std::span<const std::uint64_t> positions, std::int64_t total,
                                    double fill);

/// A sparse matrix over all input rows, on this rank: row starts of its block of rows, and a block
/// of the entries (the ranks share both evenly, so an entry may be on another rank than its row).
struct InputOrderPlan {
  std::int64_t rows = 0, nonzeros = 0;
  std::vector<std::int64_t> row_starts;  ///< block of rows; the last rank has `nonzeros` behind
  std::vector<std::int64_t> columns;     ///< block of nonzeros, ascending in every row
  std::vector<double> values;            ///< likewise
};

/// Collective. Brings a plan, whose rows lie anywhere, to the order of the input. Memory
/// O(rows / P + nonzeros / P) beside the plan. `rows`: of the input. Throws Error{internal} on all
/// ranks for a row that is out of range or held twice.
InputOrderPlan to_input_order(const parallel::Communicator& comm, const PlanAnswer& plan,
                              std::int64_t rows);

}  // namespace mensura::transport
