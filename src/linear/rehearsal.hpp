// SPDX-License-Identifier: BSD-3-Clause
// Last part of a schedule: what to do while waiting. Private to this folder.
#pragma once

#include "linear/schedule.hpp"
#include "parallel/communicator.hpp"

namespace mensura::linear {

/// Collective. Goes through the steps once with clocks in place of numbers: a rank that would wait
/// for a message does units in advance that are due later and whose needs are met, those due first
/// first. The steps and units become the order that was found. It depends on the structure alone,
/// never on real times. Messages of the schedule go the same ways as before; in reverse the new
/// order hides the waits of the transposed solve just as well, since a chain of dependencies is as
/// long backwards.
void rehearse(const parallel::Communicator& comm, const LocalPattern& pattern, Schedule& schedule);

}  // namespace mensura::linear
