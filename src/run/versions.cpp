// SPDX-License-Identifier: BSD-3-Clause
#include "run/versions.hpp"

#include <fmt/format.h>

#include <Eigen/Core>

#include "input/common.hpp"
#include "linear/petsc.hpp"
#include "output/hdf5.hpp"
#include "parallel/environment.hpp"
#include "run/git_id.hpp"

namespace mensura::run {

std::string mensura_version() {
  return MENSURA_VERSION;
}

std::string git_id() {
  return MENSURA_GIT_ID;
}

std::vector<std::pair<std::string, std::string>> library_versions() {
  return {{"mpi", parallel::mpi_version()},
          {"petsc", linear::petsc_version()},
          {"hdf5", output::hdf5_version()},
          {"eigen",
           fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION)},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                              FMT_VERSION % 100)},
          {"compiler", __VERSION__}};
}

std::string version_text(const std::string& program) {
  std::string text = fmt::format("{} {}\ngit          {}\ndeck format  {}\n", program,
                                 mensura_version(), git_id(), input::deck_format);
  for (const auto& [name, version] : library_versions()) {
    text += fmt::format("{:<12} {}\n", name, version);
  }
  return text + fmt::format("{:<12} {}\n", "blas", linear::blas_name());
}

}  // namespace mensura::run
