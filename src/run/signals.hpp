// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace mensura::run {

/// What signals have asked for. Flags, so that ranks agree by a bitwise or.
enum Request : unsigned {
  no_request = 0,
  checkpoint_and_stop = 1,      ///< USR1
  checkpoint_and_continue = 2,  ///< USR2
  last_call = 4,                ///< TERM, INT: the killer is near
};

/// Local. Takes over USR1, USR2, TERM and INT (system calls restart), and ignores PIPE: a batch run
/// does not die of a closed terminal. A second INT ends the process as usual. Call first in main():
/// what arrives before the first safe point counts.
void install_signal_handlers();

/// Local. The requests that arrived at this process since the last call; clears them.
unsigned take_signal_requests() noexcept;

/// "USR1", "TERM and USR2", ... for messages.
const char* request_name(unsigned requests) noexcept;

}  // namespace mensura::run
