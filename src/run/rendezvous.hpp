// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <exception>
#include <optional>

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

  /// Collective. Call where a guarded part of the program ends: with this rank's error, or without.
  /// Returns the lowest failing rank's error on all ranks, or nothing when no rank failed. A rank
  /// with an error whose peers do not arrive within `seconds` prints it and aborts the job with its
  /// code; a rank without one waits as long as it takes.
  std::optional<parallel::Error> meet(const std::optional<parallel::Error>& mine,
                                      double seconds = 20) const;

 private:
  void wait(const std::optional<parallel::Error>& mine, double seconds) const;
  parallel::Communicator comm_;
};

}  // namespace mensura::run
