// SPDX-License-Identifier: BSD-3-Clause
// First part of a schedule: after how many messages each row can be known. Private to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "linear/schedule.hpp"
#include "parallel/communicator.hpp"

namespace mensura::linear {

/// Who wants which local rows, and who owns the ghosts. Ranks ascend in both lists.
struct Partners {
  struct Group {
    int rank = 0;
    std::int32_t first = 0, last = 0;
  };
  std::vector<Group> owners;          ///< ghosts [first, last) belong to `rank`
  std::vector<Group> readers;         ///< exports[first..last) are wanted by `rank`, in the order
                                      ///< of its ghosts
  std::vector<std::int32_t> exports;  ///< local rows
  std::vector<std::int32_t> by_row;   ///< [rows + 1] into places
  std::vector<std::int32_t> places;   ///< places in `exports` of one row after another
};

/// Collective. Asks the owners of this rank's ghosts.
Partners find_partners(const parallel::Communicator& comm, const LocalPattern& pattern);

/// Collective. One integer per ghost goes to its owner: result in the order of `exports`.
std::vector<std::int32_t> tell_owners(const parallel::Communicator& comm, const Partners& partners,
                                      std::span<const std::int32_t> of_ghost);

struct Rounds {
  std::vector<std::int32_t> of_row;
  std::vector<std::int32_t> of_ghost;
  std::int32_t last = 0;  ///< largest over all ranks
};

/// Collective. The round of a row is the largest number of messages on any chain of dependencies
/// that ends in it. Throws Error{internal} on all ranks when rows wait for each other in a circle.
/// `poll`, if not empty, is called collectively after every 64 messages.
Rounds find_rounds(const parallel::Communicator& comm, const LocalPattern& pattern,
                   const Partners& partners, std::span<const std::int32_t> elimination,
                   const std::function<void()>& poll);

}  // namespace mensura::linear
