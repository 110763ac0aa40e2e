// SPDX-License-Identifier: BSD-3-Clause
#include "linear/petsc.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <petscsys.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>

namespace mensura::linear {

using parallel::Error;
using parallel::ExitCode;

void check_petsc(int code, const char* call) {
  if (code == 0) return;
  const char* text = nullptr;
  PetscErrorMessage(static_cast<PetscErrorCode>(code), &text, nullptr);
  const auto kind = code == PETSC_ERR_MEM ? ExitCode::too_large : ExitCode::internal;
  throw Error(kind, fmt::format("PETSc: {} failed with code {}: {}", call, code,
                                text != nullptr ? text : "no text for this code"));
}

namespace {

// PETSc takes "-5" for a value and "-name" for an option; so do we.
bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' &&
         (std::isalpha(static_cast<unsigned char>(word[1])) != 0);
}

void check_arguments(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (is_option(arguments[i])) continue;
    if (i > 0 && is_option(arguments[i - 1])) continue;
    throw Error(
        ExitCode::usage,
        fmt::format("after `--`: '{}' is neither a PETSc option (-name) nor the value of one; "
                    "write for example `-- -log_view`",
                    arguments[i]));
  }
}

}  // namespace

PetscSession::PetscSession(const parallel::Communicator& comm,
                           const std::vector<std::pair<std::string, std::string>>& options,
                           const std::vector<std::string>& arguments)
    : comm_(parallel::Communicator::duplicate(comm.handle())) {
  parallel::agree(comm_, [&] { check_arguments(arguments); });
  std::vector<std::string> words = {"mensura", "-no_signal_handler", "-options_left", "no"};
  for (const auto& [name, value] : options) {
    words.push_back("-" + name);
    if (!value.empty()) words.push_back(value);
  }
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  std::transform(words.begin(), words.end(), std::back_inserter(pointers),
                 [](std::string& word) { return word.data(); });
  pointers.push_back(nullptr);
  int argc = static_cast<int>(words.size());
  char** argv = pointers.data();
  PETSC_COMM_WORLD = comm_.handle();
  check_petsc(PetscInitialize(&argc, &argv, nullptr, nullptr), "PetscInitialize");
  check_petsc(PetscPushErrorHandler(PetscReturnErrorHandler, nullptr), "PetscPushErrorHandler");
}

PetscSession::~PetscSession() {
  PetscBool finalized = PETSC_FALSE;
  if (PetscFinalized(&finalized) == 0 && finalized == PETSC_FALSE) {
    PetscPopErrorHandler();
    PetscFinalize();
  }
}

std::vector<std::string> PetscSession::unused_options() const {
  PetscInt count = 0;
  char** names = nullptr;
  char** values = nullptr;
  check_petsc(PetscOptionsLeftGet(nullptr, &count, &names, &values), "PetscOptionsLeftGet");
  std::vector<std::string> result;
  for (PetscInt i = 0; i < count; ++i) {
    // Ours (see the constructor); PETSc only reads it when it ends.
    if (std::string_view(names[i]) == "options_left") continue;
    result.push_back(fmt::format("-{}{}{}", names[i], values[i] != nullptr ? " " : "",
                                 values[i] != nullptr ? values[i] : ""));
  }
  check_petsc(PetscOptionsLeftRestore(nullptr, &count, &names, &values), "PetscOptionsLeftRestore");
  return result;
}

std::string petsc_version() {
  PetscInt major = 0;
  PetscInt minor = 0;
  PetscInt patch = 0;
  check_petsc(PetscGetVersionNumber(&major, &minor, &patch, nullptr), "PetscGetVersionNumber");
  return fmt::format("{}.{}.{}", major, minor, patch);
}

std::string blas_name() {
  using Config = char* (*)();
  // dlsym returns an object pointer for a function: the POSIX-sanctioned conversion.
  if (auto config = reinterpret_cast<Config>(dlsym(RTLD_DEFAULT, "openblas_get_config"))) {
    return config();
  }
  void* gemm = dlsym(RTLD_DEFAULT, "dgemm_");
  Dl_info info{};
  if (gemm != nullptr && dladdr(gemm, &info) != 0 && info.dli_fname != nullptr) {
    return info.dli_fname;
  }
  return "unknown";
}

}  // namespace mensura::linear
