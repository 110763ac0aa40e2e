// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mensura::parallel {

/// Process exit codes (README, "Exit codes"). They are part of the contract with batch scripts.
enum class ExitCode : int {
  success = 0,
  rank_lost = 1,   ///< another rank is gone or frozen (like the launcher's own code); restartable
  usage = 2,       ///< usage or deck error
  input_data = 3,  ///< missing file, wrong shape, NaN
  not_converged = 4,  ///< partial results were written and marked
  numerical = 5,      ///< NaN, Inf, indefinite matrix
  output = 6,         ///< disk full, read-only folder
  too_large = 7,      ///< memory or index limit
  internal = 70,      ///< a broken assertion
  stopped = 75,       ///< stopped by signal or wall time; restartable
};

/// The one exception type that carries a documented exit code. The text says what is wrong, where,
/// and what to do.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

namespace detail {
[[noreturn]] void broken_invariant(std::string_view what, const std::source_location& place);
}

/// Throws Error{internal} naming the place when `condition` is false. For broken invariants, never
/// for user input.
inline void require(bool condition, std::string_view what,
                    const std::source_location& place = std::source_location::current()) {
  if (!condition) detail::broken_invariant(what, place);
}

}  // namespace mensura::parallel
