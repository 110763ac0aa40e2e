// SPDX-License-Identifier: BSD-3-Clause
#include "linear/petsc.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <petscsys.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <utility>

namespace mensura::linear {

using parallel::Error;
using parallel::ExitCode;

namespace {

// PETSc takes "-5" for a value and "-name" for an option; so do we.
bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' &&
         (std::isalpha(static_cast<unsigned char>(word[1])) != 0);
}

// PETSc's own words for the last error, which its return codes do not carry.
std::string& last_reason() {
  static std::string reason;
  return reason;
}

PetscErrorCode keep_reason(MPI_Comm, int, const char*, const char*, PetscErrorCode code,
                           PetscErrorType type, const char* message, void*) {
  if (type == PETSC_ERROR_INITIAL) last_reason() = message != nullptr ? message : "";
  return code;
}

// The error of a code that is not zero, and forgets PETSc's words.
Error error_of(int code, const char* call) {
  const char* text = nullptr;
  PetscErrorMessage(static_cast<PetscErrorCode>(code), &text, nullptr);
  const auto kind = code == PETSC_ERR_MEM ? ExitCode::too_large : ExitCode::internal;
  const std::string reason = std::exchange(last_reason(), {});
  return Error(kind, fmt::format("PETSc: {} failed with code {}: {}{}{}", call, code,
                                 text != nullptr ? text : "no text for this code",
                                 reason.empty() ? "" : ": ", reason));
}

// Codes that no option of a user brings about.
bool is_ours(int code) {
  return code == PETSC_ERR_MEM || code == PETSC_ERR_LIB || code == PETSC_ERR_PLIB ||
         code == PETSC_ERR_MPI || code == PETSC_ERR_SIG || code == PETSC_ERR_MEMC;
}

struct GivenOption {
  std::string name, value;
  std::string text() const { return value.empty() ? name : name + " " + value; }
};

// What the database holds under a prefix, in its order.
std::vector<GivenOption> given_options(const std::string& prefix) {
  char* all = nullptr;
  check_petsc(PetscOptionsGetAll(nullptr, &all), "PetscOptionsGetAll");
  std::istringstream words(all != nullptr ? all : "");
  check_petsc(PetscFree(all), "PetscFree");
  std::vector<GivenOption> given;
  bool ours = false;
  for (std::string word; words >> word;) {
    if (is_option(word)) {
      ours = word.starts_with("-" + prefix);
      if (ours) given.push_back({word, {}});
    } else if (ours) {
      given.back().value += (given.back().value.empty() ? "" : " ") + word;
    }
  }
  return given;
}

// The word stands in the text by itself.
bool mentions(const std::string& text, const std::string& word) {
  const auto inside = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0);
  };
  for (auto at = text.find(word); !word.empty() && at != std::string::npos;
       at = text.find(word, at + 1)) {
    if (!(at > 0 && inside(at - 1)) && !inside(at + word.size())) return true;
  }
  return false;
}

// The options that PETSc's words are about: those whose value they mention, or else all.
std::string blamed(const std::vector<GivenOption>& given, const std::string& reason) {
  std::vector<std::string> guilty, all;
  for (const GivenOption& option : given) {
    all.push_back(option.text());
    if (mentions(reason, option.value)) guilty.push_back(option.text());
  }
  return fmt::format("{}", fmt::join(guilty.empty() ? all : guilty, ", "));
}

}  // namespace

void check_petsc(int code, const char* call) {
  if (code != 0) throw error_of(code, call);
}

void check_petsc_options(const parallel::Communicator& comm, int code, const char* call,
                         const std::string& prefix) {
  // Agreed, since files that options name are opened on one rank only.
  parallel::agree(comm, [&] {
    if (code == 0) return;
    const auto given = given_options(prefix);
    if (is_ours(code) || given.empty()) throw error_of(code, call);
    const std::string reason = last_reason();
    const Error error = error_of(code, call);
    throw Error(ExitCode::usage,
                fmt::format("PETSc does not accept {} (section petsc of the deck, or after `--`): "
                            "{}; correct or remove it",
                            blamed(given, reason), reason.empty() ? error.what() : reason));
  });
}

namespace {

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
  check_petsc(PetscPushErrorHandler(keep_reason, nullptr), "PetscPushErrorHandler");
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
