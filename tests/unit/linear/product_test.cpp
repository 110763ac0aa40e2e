// SPDX-License-Identifier: BSD-3-Clause
// Products with eight vectors at once against PETSc's with one after another.
#include "linear/product.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "linear/arrays.hpp"
#include "problem.hpp"

namespace {

using namespace mensura::test;
using mensura::linear::BlockProduct;
using mensura::linear::Eight;
using mensura::linear::load;
using mensura::linear::ReadArray;
using mensura::linear::store_loose;
using mensura::linear::WriteArray;

void check(const Communicator& comm, const Problem& p, MatType type) {
  const Matrix matrix = assemble(comm, p, type);
  BlockProduct product(comm, matrix.get());
  std::vector<Vector> sides;
  for (unsigned l = 0; l < 8; ++l) sides.push_back(right_hand_side(matrix, l));
  PetscInt rows = 0;
  check_petsc(VecGetLocalSize(sides[0].get(), &rows), "VecGetLocalSize");
  std::vector<Eight> x(static_cast<std::size_t>(rows)), y(x.size());
  {
    std::vector<std::unique_ptr<ReadArray>> from;
    for (const Vector& side : sides) from.push_back(std::make_unique<ReadArray>(side.get()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      alignas(64) std::array<double, 8> values{};
      for (std::size_t l = 0; l < 8; ++l) values[l] = (*from[l])[i];
      x[i] = load(values.data());
    }
  }
  for (const bool transposed : {false, true}) {
    transposed ? product.multiply_transposed(x, y) : product.multiply(x, y);
    for (std::size_t l = 0; l < 8; ++l) {
      Vector right = vector_like(matrix), left = vector_like(matrix);
      check_petsc(transposed ? MatMultTranspose(matrix.get(), sides[l].get(), right.get())
                             : MatMult(matrix.get(), sides[l].get(), right.get()),
                  "MatMult");
      {
        WriteArray to(left.get());
        for (std::size_t i = 0; i < y.size(); ++i) {
          std::array<double, 8> values{};
          store_loose(y[i], values.data());
          to[i] = values[l];
        }
      }
      // Rows sum terms of the size scale[row] x (the largest of the others).
      check_petsc(VecAXPY(left.get(), -1, right.get()), "VecAXPY");
      PetscReal apart = 0, size = 0;
      check_petsc(VecNorm(left.get(), NORM_INFINITY, &apart), "VecNorm");
      check_petsc(VecNorm(right.get(), NORM_INFINITY, &size), "VecNorm");
      EXPECT_LE(apart, 1e-13 * size) << (transposed ? "transposed, " : "") << "side " << l;
    }
  }
}

TEST(BlockProduct, RandomMatrices) {
  const auto comm = Communicator::world();
  for (unsigned seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    check(comm,
          random_problem(40 + 17 * static_cast<int>(seed), 1 + static_cast<int>(seed), comm.size(),
                         seed),
          seed % 2 == 0 ? MATAIJ : MATMPIAIJ);
  }
  check(comm, random_problem(1, 0, comm.size(), 101), MATAIJ);
}

}  // namespace
