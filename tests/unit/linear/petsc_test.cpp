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
  EXPECT_THAT(petsc_version(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(blas_name(), testing::Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace mensura::linear
