// SPDX-License-Identifier: BSD-3-Clause
#include "linear/handles.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "parallel/communicator.hpp"

namespace {

using mensura::linear::check_petsc;
using mensura::linear::Vector;
using mensura::parallel::Communicator;
using mensura::parallel::Error;
using mensura::parallel::ExitCode;

// One session for all tests of the program: PETSc cannot be started again.
class PetscEnvironment : public testing::Environment {
  void SetUp() override {
    session_.emplace(Communicator::world(), std::vector<std::pair<std::string, std::string>>{},
                     std::vector<std::string>{});
  }
  void TearDown() override { session_.reset(); }
  std::optional<mensura::linear::PetscSession> session_;
};
[[maybe_unused]] const auto* const petsc = testing::AddGlobalTestEnvironment(new PetscEnvironment);

TEST(Handle, OwnsMovesAndReleases) {
  const auto comm = Communicator::world();
  Vector a;
  EXPECT_FALSE(a);
  check_petsc(VecCreateMPI(comm.handle(), 2, PETSC_DETERMINE, a.put()), "VecCreateMPI");
  check_petsc(PetscObjectReference(reinterpret_cast<PetscObject>(a.get())), "reference");
  Vector witness(a.get());
  const auto references = [&] {
    PetscInt count = 0;
    check_petsc(PetscObjectGetReference(reinterpret_cast<PetscObject>(witness.get()), &count),
                "PetscObjectGetReference");
    return count;
  };
  EXPECT_EQ(references(), 2);
  Vector b(std::move(a));
  EXPECT_FALSE(a);
  EXPECT_EQ(references(), 2);
  a = std::move(b);
  EXPECT_TRUE(a);
  EXPECT_FALSE(b);
  EXPECT_EQ(references(), 2);
  a = Vector();
  EXPECT_EQ(references(), 1);
  check_petsc(PetscObjectReference(reinterpret_cast<PetscObject>(witness.get())), "reference");
  Vector left(witness.get());
  try {
    const Vector moved(std::move(left));
    throw Error(ExitCode::internal, "while a handle is alive");
  } catch (const Error&) {
  }
  EXPECT_EQ(references(), 2) << "left to the library while an exception unwinds";
  Vector mine(witness.get());
  mine.reset();
  EXPECT_EQ(references(), 1);
  EXPECT_FALSE(mine);
}

}  // namespace
