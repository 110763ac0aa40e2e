// SPDX-License-Identifier: BSD-3-Clause
#include "run/rendezvous.hpp"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>

namespace {

using namespace mensura;
using parallel::Error;
using parallel::ExitCode;

TEST(Rendezvous, NothingHappened) {
  const auto comm = parallel::Communicator::world();
  const run::Rendezvous rendezvous(comm);
  EXPECT_FALSE(rendezvous.meet(std::nullopt).has_value());
}

TEST(Rendezvous, LowestFailingRankSpeaksForAll) {
  const auto comm = parallel::Communicator::world();
  const run::Rendezvous rendezvous(comm);
  for (int lowest = 0; lowest < comm.size(); ++lowest) {
    std::optional<Error> mine;
    if (comm.rank() >= lowest) {
      mine = Error(comm.rank() == lowest ? ExitCode::numerical : ExitCode::internal,
                   "rank " + std::to_string(comm.rank()));
    }
    const auto error = rendezvous.meet(mine);
    EXPECT_TRUE(error.has_value());
    if (!error) continue;
    EXPECT_EQ(error->code(), ExitCode::numerical);
    EXPECT_EQ(error->what(), "rank " + std::to_string(lowest));
  }
}

template <class Exception>
Error meaning_of(const Exception& exception) {
  return run::to_error(std::make_exception_ptr(exception));
}

TEST(Rendezvous, ExceptionsHaveTheirDocumentedCodes) {
  EXPECT_EQ(meaning_of(Error(ExitCode::output, "full")).code(), ExitCode::output);
  EXPECT_EQ(meaning_of(std::bad_alloc()).code(), ExitCode::too_large);
  EXPECT_EQ(meaning_of(std::logic_error("oops")).code(), ExitCode::internal);
  EXPECT_NE(std::string(meaning_of(std::logic_error("oops")).what()).find("oops"),
            std::string::npos);
  EXPECT_EQ(meaning_of(17).code(), ExitCode::internal);
}

}  // namespace
