// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "transport/sparse_plan.hpp"

namespace mensura::transport {

/// An entry of a plan on its way to another rank.
struct PlanEntry {
  std::int64_t column, row;  ///< global number of the column; unknown of the row
  double value;
};

/// Which rank owns a global number.
class Owners {
 public:
  /// Collective. `first`: the number that this rank's share begins at.
  Owners(const parallel::Communicator& comm, std::int64_t first);
  std::size_t operator()(std::int64_t number) const;

 private:
  std::vector<std::int64_t> firsts_;
};

/// Entries with their senders.
struct ReceivedEntries {
  std::vector<PlanEntry> entries;    ///< in the order of the senders
  std::vector<std::int64_t> counts;  ///< per sender
};

/// Collective. Sends every entry to the rank that `to` names for it.
ReceivedEntries send_entries(const parallel::Communicator& comm,
                             const std::vector<PlanEntry>& entries,
                             const std::vector<std::size_t>& to);

/// All entries of the columns that this rank's rows touch, whatever rank holds their rows:
/// compressed columns over the plan's ghosts.
struct CompleteColumns {
  std::vector<std::int64_t> starts;
  std::vector<std::uint32_t> rows;  ///< below the own rows: own; above: position in `numbers`
  std::vector<double> values;
  std::vector<std::int64_t> numbers;  ///< unknowns of other ranks' rows
};

/// Collective. `kept`: one flag per pair of the plan; `skipped`: one per own column, whose entries
/// are left out; own row i is unknown `first_unknown` + i. Columns that several ranks touch meet at
/// their owner, which sends each rank what the others have.
CompleteColumns complete_columns(const SparsePlan& plan, std::span<const char> kept,
                                 std::span<const char> skipped, std::int64_t first_unknown);

}  // namespace mensura::transport
