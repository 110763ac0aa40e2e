// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mensura::run {

std::string mensura_version();  ///< "0.1.0"
/// Commit of the sources when they were compiled, with "-dirty" when they had changes; "unknown"
/// without git.
std::string git_id();
/// Name and version of the compiler and the libraries at run time: mpi, petsc, hdf5, eigen, ...
std::vector<std::pair<std::string, std::string>> library_versions();
/// The text of --version.
std::string version_text(const std::string& program);

}  // namespace mensura::run
