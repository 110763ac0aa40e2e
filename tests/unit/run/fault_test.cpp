// SPDX-License-Identifier: BSD-3-Clause
#include "run/fault.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace {

using mensura::run::fault::before_step;

TEST(Fault, NothingHappensUnlessAskedFor) {
  unsetenv("MENSURA_TEST_FAULT");
  EXPECT_NO_THROW(before_step(0, 1));
}

TEST(Fault, HitsItsRankAndStepOnly) {
  setenv("MENSURA_TEST_FAULT", "slow:seconds=0;throw:rank=1:step=3;memory:rank=0:step=4", 1);
  EXPECT_NO_THROW(before_step(0, 3));
  EXPECT_NO_THROW(before_step(1, 4));
  EXPECT_THROW(before_step(1, 3), std::runtime_error);
  EXPECT_THROW(before_step(0, 4), std::bad_alloc);
  unsetenv("MENSURA_TEST_FAULT");
}

}  // namespace
