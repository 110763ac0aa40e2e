// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <exception>

#include "parallel/communicator.hpp"
#include "parallel/error.hpp"

namespace mensura::run {

/// Local. What an exception means to the outside: an Error as it is, std::bad_alloc as
/// Error{too_large}, anything else as Error{internal}.
parallel::Error to_error(const std::exception_ptr& exception);

/// The last line of defence: tells errors that all ranks agreed on, and that may end the program in
/// good order, from those of single ranks, where the others wait for this one in a collective.
class Rendezvous {
 public:
  /// Collective.
  explicit Rendezvous(const parallel::Communicator& comm) : comm_(comm.split(0, comm.rank())) {}

  /// Collective among the ranks that failed. Returns the lowest failing rank's error when all ranks
  /// arrive within `seconds`; otherwise prints this rank's error and aborts the job with its code.
  parallel::Error meet(const parallel::Error& mine, double seconds = 20) const;

 private:
  parallel::Communicator comm_;
};

}  // namespace mensura::run
