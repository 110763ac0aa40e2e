// SPDX-License-Identifier: BSD-3-Clause
#include "linear/petsc.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <petscsys.h>

#include <csignal>

namespace mensura::linear {
namespace {

using parallel::Communicator;
using parallel::Error;
using parallel::ExitCode;

// PETSc can be started once per process, so one test walks through the session's whole life.
TEST(PetscSession, OptionsSignalsAndErrors) {
  const auto comm = Communicator::world();
  try {
    const PetscSession refused(comm, {}, {"log_view"});
    ADD_FAILURE() << "a word that is no option was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), testing::HasSubstr("'log_view' is neither a PETSc option"));
  }

  const PetscSession session(comm, {{"gp_newton_rtol", "1e-8"}, {"gp_monitor", ""}},
                             {"-gp_newton_rtol", "1e-4", "-unused", "-5"});
  PetscReal rtol = 0;
  PetscBool found = PETSC_FALSE;
  check_petsc(PetscOptionsGetReal(nullptr, "gp_", "-newton_rtol", &rtol, &found), "get");
  EXPECT_TRUE(found);
  EXPECT_DOUBLE_EQ(rtol, 1e-4) << "the command line wins over the deck";
  EXPECT_THAT(session.unused_options(), testing::UnorderedElementsAre("-gp_monitor", "-unused -5"));

  struct sigaction action{};
  sigaction(SIGTERM, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL) << "PETSc must leave signals to the run loop";

  try {
    check_petsc(PETSC_ERR_ARG_WRONG, "VecNorm");
    ADD_FAILURE() << "an error code was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_THAT(error.what(), testing::HasSubstr("VecNorm failed with code 62"));
  }
  // PETSc's refusals of options are the user's, whichever call they come from; its own failures
  // are not.
  const auto refused = [&](int code, const std::string& prefix) {
    try {
      check_petsc_options(comm, code, "KSPSetUp", prefix);
    } catch (const Error& error) {
      return std::make_pair(error.code(), std::string(error.what()));
    }
    return std::make_pair(ExitCode::success, std::string());
  };
  EXPECT_EQ(refused(0, "gp_").first, ExitCode::success);
  PetscBool flag = PETSC_FALSE;
  check_petsc(PetscOptionsSetValue(nullptr, "-gp_newton_type", "abc"), "set");
  const int code = PetscOptionsGetBool(nullptr, "gp_newton_", "-type", &flag, nullptr);
  EXPECT_NE(code, 0);
  const auto [kind, text] = refused(code, "gp_newton_");
  EXPECT_EQ(kind, ExitCode::usage);
  EXPECT_THAT(text, testing::HasSubstr("does not accept -gp_newton_type abc "));
  EXPECT_THAT(text, testing::HasSubstr("Unknown logical value: abc"));
  const auto [other_kind, other_text] = refused(PETSC_ERR_SUP, "gp_newton_");
  EXPECT_EQ(other_kind, ExitCode::usage);
  EXPECT_THAT(other_text, testing::HasSubstr("-gp_newton_rtol 1e-4, -gp_newton_type abc "))
      << "all options when the reason tells no more";
  EXPECT_EQ(refused(PETSC_ERR_SUP, "transport_").first, ExitCode::internal) << "no option given";
  EXPECT_EQ(refused(PETSC_ERR_MPI, "gp_newton_").first, ExitCode::internal);
  EXPECT_EQ(refused(PETSC_ERR_MEM, "gp_newton_").first, ExitCode::too_large);
  // A failure on one rank reaches all.
  EXPECT_EQ(refused(comm.rank() + 1 == comm.size() ? PETSC_ERR_FILE_OPEN : 0, "gp_newton_").first,
            ExitCode::usage);

  EXPECT_THAT(petsc_version(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(blas_name(), testing::Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace mensura::linear
