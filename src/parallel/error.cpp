// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/error.hpp"

#include <fmt/format.h>

namespace mensura::parallel::detail {

void broken_invariant(std::string_view what, const std::source_location& place) {
  std::string_view file = place.file_name();
  if (const auto slash = file.rfind('/'); slash != std::string_view::npos) {
    file.remove_prefix(slash + 1);  // the folder of the build machine tells a user nothing
  }
  throw Error(ExitCode::internal,
              fmt::format("internal error at {}:{} ({}): {}; please report this with the deck",
                          file, place.line(), place.function_name(), what));
}

}  // namespace mensura::parallel::detail
