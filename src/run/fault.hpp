// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace mensura::run::fault {

/// Faults on purpose, for the tests of this project only: reads MENSURA_TEST_FAULT, a list
/// separated by `;` of
///   kill:rank=R:step=S    SIGKILL on rank R before step S (steps count from 1 over all segments)
///   freeze:rank=R:step=S  SIGSTOP likewise
///   usr1:rank=R:step=S    SIGUSR1 likewise; and usr2
///   throw:rank=R:step=S   an exception on rank R alone
///   memory:rank=R:step=S  std::bad_alloc on rank R alone
///   slow:seconds=X        sleep before every step
/// Does nothing when the variable is not set. Local.
void before_step(int rank, std::int64_t step);

}  // namespace mensura::run::fault
