// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "output/checkpoint.hpp"
#include "parallel/communicator.hpp"

namespace mensura::transport {

/// A solver's state on its way to or from a checkpoint: numbers that all its ranks know and arrays
/// that they share.
struct SavedState {
  struct Array {
    std::string name;
    std::vector<double> values;          ///< own; one of the two
    std::vector<std::int64_t> integers;  ///< own
    std::int64_t first = 0, total = 0;   ///< place of the own ones
    bool integral = false;
  };
  std::vector<double> numbers;
  std::vector<Array> arrays;

  void add(const std::string& name, std::vector<double> values, std::int64_t first,
           std::int64_t total);
  void add(const std::string& name, std::vector<std::int64_t> values, std::int64_t first,
           std::int64_t total);
  /// The array of this name; Error{internal} where there is none.
  const std::vector<double>& reals(const std::string& name) const;
  const std::vector<std::int64_t>& integers(const std::string& name) const;
};

/// Collective on `comm`, the communicator of the checkpoint. `state` belongs to some of its ranks
/// (nullptr on the others); `leader` is the first of them.
void write(output::CheckpointWriter& checkpoint, const parallel::Communicator& comm,
           const std::string& prefix, const SavedState* state, int leader);

/// Collective on the communicator of the checkpoint. Every rank reads the numbers; a rank that is
/// number `part` of `parts` reads its block of every array, others (parts = 0) nothing.
SavedState read(const output::CheckpointReader& checkpoint, const std::string& prefix, int part,
                int parts);

}  // namespace mensura::transport
