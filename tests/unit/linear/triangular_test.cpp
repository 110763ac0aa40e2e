// SPDX-License-Identifier: BSD-3-Clause
// Distributed triangular solves against substitution on one rank. Rounding: the matrices are
// diagonally dominant after scaling by powers of two, so that substitution in any order of
// summation is exact to a few hundred units in the last place of the largest (scaled) unknown:
// 1e-13.
#include "linear/triangular.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "linear/arrays.hpp"
#include "linear/handles.hpp"
#include "problem.hpp"
#include "support/multilevel.hpp"

namespace {

// What MPI was really asked to send by persistent requests.
std::map<MPI_Request, std::int64_t> send_bytes;
std::int64_t started_messages = 0, started_bytes = 0;

}  // namespace

// The profiling interface of MPI lets a program put itself before these functions.
extern "C" int MPI_Send_init(const void* buffer, int count, MPI_Datatype type, int rank, int tag,
                             MPI_Comm comm, MPI_Request* request) {
  const int code = PMPI_Send_init(buffer, count, type, rank, tag, comm, request);
  int width = 0;
  MPI_Type_size(type, &width);
  send_bytes[*request] = std::int64_t{count} * width;
  return code;
}
extern "C" int MPI_Request_free(MPI_Request* request) {
  send_bytes.erase(*request);
  return PMPI_Request_free(request);
}
extern "C" int MPI_Start(MPI_Request* request) {
  if (const auto found = send_bytes.find(*request); found != send_bytes.end()) {
    ++started_messages;
    started_bytes += found->second;
  }
  return PMPI_Start(request);
}

namespace {

using mensura::linear::Eight;
using mensura::linear::load;
using mensura::linear::ReadArray;
using mensura::linear::store_loose;
using mensura::linear::TriangularSolver;
using mensura::linear::TriangularStatistics;
using mensura::linear::WriteArray;
using mensura::parallel::Error;
using mensura::parallel::ExitCode;
using namespace mensura::test;

// Eight right-hand sides at once, the multiples 1, -2, 3, ... of one and the sixth another one,
// against one after another; both sum in an order of their own.
void check_block(const Problem& p, const Matrix& matrix, const TriangularSolver& solver) {
  const Vector one = right_hand_side(matrix, 7), other = right_hand_side(matrix, 8);
  const ReadArray from(one.get()), sixth(other.get());
  PetscInt rows = 0;
  check_petsc(VecGetLocalSize(one.get(), &rows), "VecGetLocalSize");
  const auto factor = [](std::size_t l) { return (l % 2 == 0 ? 1.0 : -1.0) * double(l + 1); };
  for (const bool transposed : {false, true}) {
    std::vector<Eight> block(static_cast<std::size_t>(rows));
    for (std::size_t i = 0; i < block.size(); ++i) {
      alignas(64) std::array<double, 8> values{};
      for (std::size_t l = 0; l < 8; ++l) values[l] = l == 5 ? sixth[i] : factor(l) * from[i];
      block[i] = load(values.data());
    }
    transposed ? solver.solve_transposed(block) : solver.solve(block);
    for (std::size_t l = 0; l < 8; ++l) {
      Vector right = right_hand_side(matrix, l == 5 ? 8 : 7), left = vector_like(matrix);
      if (l != 5) check_petsc(VecScale(right.get(), factor(l)), "VecScale");
      transposed ? solver.solve_transposed(right.get(), right.get())
                 : solver.solve(right.get(), right.get());
      {
        WriteArray to(left.get());
        for (std::size_t i = 0; i < block.size(); ++i) {
          std::array<double, 8> values{};
          store_loose(block[i], values.data());
          to[i] = values[l];
        }
      }
      EXPECT_LT(difference(on_all_ranks(left), on_all_ranks(right), p.scale),
                1e-13 * std::abs(factor(l)))
          << (transposed ? "transposed, " : "") << "side " << l;
    }
  }
}

// Everything that must hold for any matrix: both directions against substitution, in place,
// repeated.
void check_problem(const Communicator& comm, const Problem& p, MatType type = MATAIJ) {
  const Matrix matrix = assemble(comm, p, type);
  const TriangularSolver solver(comm, matrix.get(), p.elimination(comm.rank()));
  Vector b = right_hand_side(matrix, 7), x = vector_like(matrix), again = vector_like(matrix);
  // Scaled by rows, so that every unknown counts.
  const Numbers scale = p.scale, right = on_all_ranks(b);
  solver.solve(b.get(), x.get());
  const Numbers forward = on_all_ranks(x);
  EXPECT_LT(difference(forward, substitute(p, right), scale), 1e-13);
  solver.solve(b.get(), again.get());
  EXPECT_EQ(forward, on_all_ranks(again)) << "repeated solves agree in every bit";
  solver.solve_transposed(b.get(), x.get());
  const Numbers backward = on_all_ranks(x);
  EXPECT_LT(difference(backward, substitute_transposed(p, right), scale), 1e-13);
  solver.solve_transposed(b.get(), again.get());
  EXPECT_EQ(backward, on_all_ranks(again)) << "repeated solves agree in every bit";
  EXPECT_EQ(right, on_all_ranks(b)) << "the right-hand side is left alone";
  check_petsc(VecCopy(b.get(), again.get()), "VecCopy");
  solver.solve_transposed(again.get(), again.get());
  EXPECT_EQ(backward, on_all_ranks(again)) << "in place";
  check_petsc(VecCopy(b.get(), again.get()), "VecCopy");
  solver.solve(again.get(), again.get());
  EXPECT_EQ(forward, on_all_ranks(again)) << "in place";
  check_block(p, matrix, solver);
}

// Messages and bytes of one call, as MPI was asked for them and as the traffic counters have them.
void expect_traffic(const Communicator& comm, const std::function<void()>& call,
                    const TriangularStatistics& predicted) {
  const auto before = mensura::parallel::traffic();
  started_messages = started_bytes = 0;
  call();
  const auto after = mensura::parallel::traffic();
  EXPECT_EQ(after.messages - before.messages, started_messages);
  EXPECT_EQ(after.bytes - before.bytes, started_bytes);
  EXPECT_EQ(comm.sum(started_messages), predicted.messages);
  EXPECT_EQ(comm.sum(started_bytes), predicted.bytes);
}

void expect_traffic(const Communicator& comm, const TriangularSolver& solver,
                    const Matrix& matrix) {
  const Vector b = right_hand_side(matrix, 1);
  expect_traffic(comm, [&] { solver.solve(b.get(), b.get()); }, solver.forward_statistics());
  expect_traffic(
      comm, [&] { solver.solve_transposed(b.get(), b.get()); }, solver.backward_statistics());
}

TEST(Triangular, RandomMatrices) {
  const auto comm = Communicator::world();
  for (unsigned seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    check_problem(comm, random_problem(40 + 17 * static_cast<int>(seed), 1 + static_cast<int>(seed),
                                       comm.size(), seed));
  }
  check_problem(comm, random_problem(200, 30, comm.size(), 99));
  check_problem(comm, random_problem(60, 5, comm.size(), 100), MATMPIAIJ);
  check_problem(comm, random_problem(1, 0, comm.size(), 101));
}

// Rows 2 k and 2 k + 1 share their columns, eliminated in one order or the other: the kernel for
// pairs.
TEST(Triangular, PairsOfRows) {
  const auto comm = Communicator::world();
  for (const bool swapped : {false, true}) {
    SCOPED_TRACE(swapped);
    const Problem points = random_problem(60, 9, comm.size(), 5);
    Problem p = random_problem(120, 0, comm.size(), 6);
    p.order.clear();
    for (auto& border : p.begin) border -= border % 2;  // 120 and 0 are even
    std::mt19937 random(8);
    std::uniform_real_distribution<double> value(-1, 1);
    for (const int point : points.order) {
      const int first = 2 * point + (swapped ? 1 : 0), second = 2 * point + (swapped ? 0 : 1);
      p.order.insert(p.order.end(), {first, second});
      for (const int row : {first, second}) {
        for (const auto& [other, ignored] : points.entry[static_cast<std::size_t>(point)]) {
          for (const int column : {2 * other, 2 * other + 1}) {
            if (other == point && !(row == second && column == first)) continue;
            p.at(row, column) = p.scale[static_cast<std::size_t>(row)] *
                                p.scale[static_cast<std::size_t>(column)] * value(random) / 40;
          }
        }
      }
    }
    check_problem(comm, p);
  }
}

TEST(Triangular, GoodAndBadChains) {
  const auto comm = Communicator::world();
  const int n = 50;
  std::mt19937 random(3);
  Problem p = empty_problem(n, comm.size(), random);
  for (int r = 0; r <= comm.size(); ++r) p.begin[static_cast<std::size_t>(r)] = n * r / comm.size();
  for (int row = 0; row < n; ++row) p.at(row, row) = 2;
  {
    SCOPED_TRACE("diagonal: nothing to send");
    check_problem(comm, p);
    const Matrix matrix = assemble(comm, p);
    const TriangularSolver solver(comm, matrix.get(), p.elimination(comm.rank()));
    EXPECT_EQ(solver.forward_statistics().stages, 0);
    EXPECT_EQ(solver.forward_statistics().messages, 0);
    expect_traffic(comm, solver, matrix);
  }
  {
    SCOPED_TRACE("bidiagonal chain along the ranks: one message at each border");
    for (int row = 1; row < n; ++row) p.at(row, row - 1) = 1;
    check_problem(comm, p);
    const Matrix matrix = assemble(comm, p);
    const TriangularSolver solver(comm, matrix.get(), p.elimination(comm.rank()));
    EXPECT_EQ(solver.forward_statistics().stages, comm.size() - 1);
    EXPECT_EQ(solver.forward_statistics().messages, comm.size() - 1);
    EXPECT_EQ(solver.backward_statistics().bytes, 8 * (comm.size() - 1));
    expect_traffic(comm, solver, matrix);
  }
  {
    SCOPED_TRACE("bidiagonal chain that changes the rank with every row");
    Problem q = empty_problem(n, comm.size(), random);
    q.begin = p.begin;
    q.order.clear();
    for (int k = 0; k < n; ++k) {  // k-th row of every rank in turn
      for (int r = 0; r < comm.size(); ++r) {
        const auto rank = static_cast<std::size_t>(r);
        if (p.begin[rank] + k < p.begin[rank + 1]) q.order.push_back(p.begin[rank] + k);
      }
    }
    const auto owner = [&](int row) {
      return std::upper_bound(q.begin.begin(), q.begin.end(), row) - q.begin.begin();
    };
    std::int64_t changes = 0;
    for (std::size_t k = 0; k < q.order.size(); ++k) {
      q.at(q.order[k], q.order[k]) = 2;
      if (k == 0) continue;
      q.at(q.order[k], q.order[k - 1]) = -1;
      if (owner(q.order[k]) != owner(q.order[k - 1])) ++changes;
    }
    check_problem(comm, q);
    const Matrix matrix = assemble(comm, q);
    const TriangularSolver solver(comm, matrix.get(), q.elimination(comm.rank()));
    EXPECT_EQ(solver.forward_statistics().stages, changes);
    EXPECT_EQ(solver.forward_statistics().messages, changes);
    EXPECT_EQ(solver.forward_statistics().bytes, 8 * changes);
    expect_traffic(comm, solver, matrix);
  }
}

// Rank 1 needs one row of rank 0 at once for something that comes back, and another one only at
// the end: the two travel together when they are known at the same time. One rank sends nothing.
TEST(Triangular, ValuesTravelTogether) {
  const auto comm = Communicator::world();
  const bool alone = comm.size() == 1;
  std::mt19937 random(3);
  Problem p = empty_problem(6, comm.size(), random);
  std::fill(p.begin.begin(), p.begin.end(), 6);
  p.begin[0] = 0;
  if (!alone) p.begin[1] = 3;
  for (int row = 0; row < 6; ++row) p.at(row, row) = 2;
  p.order = {0, 1, 3, 4, 5, 2};
  p.at(1, 0) = 1;  // known on rank 0 without a message
  p.at(3, 0) = 1;  // rank 1
  p.at(4, 1) = 1;  // rank 1, nobody waits for it
  p.at(5, 3) = 1;  // rank 1, nobody waits for it
  p.at(2, 3) = 1;  // back to rank 0
  check_problem(comm, p);
  const Matrix matrix = assemble(comm, p);
  const TriangularSolver solver(comm, matrix.get(), p.elimination(comm.rank()));
  EXPECT_EQ(solver.forward_statistics().stages, alone ? 0 : 2);
  EXPECT_EQ(solver.forward_statistics().messages, alone ? 0 : 2);
  EXPECT_EQ(solver.forward_statistics().bytes, alone ? 0 : 24);
  expect_traffic(comm, solver, matrix);
}

TEST(Triangular, MultilevelGrid) {
  const auto comm = Communicator::world();
  std::vector<std::int64_t> stages;
  for (const int n : {16, 32, 64}) {
    const Multilevel grid(comm, n, 3, comm.size());
    const Matrix matrix = grid.matrix(comm);
    const TriangularSolver solver(comm, matrix.get(), grid.elimination());
    const Vector b = right_hand_side(matrix, 1), c = right_hand_side(matrix, 2);
    const Vector x = vector_like(matrix), y = vector_like(matrix), r = vector_like(matrix);
    solver.solve(b.get(), x.get());
    check_petsc(MatMult(matrix.get(), x.get(), r.get()), "MatMult");
    check_petsc(VecAXPY(r.get(), -1, b.get()), "VecAXPY");
    // Sums of some 60 terms at most, none above the size of b: a few times 60 roundings.
    EXPECT_LT(norm(r), 1e-14 * norm(b));
    solver.solve_transposed(c.get(), y.get());
    check_petsc(MatMultTranspose(matrix.get(), y.get(), r.get()), "MatMultTranspose");
    check_petsc(VecAXPY(r.get(), -1, c.get()), "VecAXPY");
    EXPECT_LT(norm(r), 1e-14 * norm(c));
    // Both sides are sums of 8192 terms of one size.
    EXPECT_NEAR(dot(x, c), dot(b, y), 1e-13 * norm(x) * norm(c));
    expect_traffic(comm, solver, matrix);
    stages.push_back(solver.forward_statistics().stages);
  }
  // The chain grows by a number of messages per level that depends on `reach`, not on the size
  // (measured: 25, 33, 39 on 2 ranks; 35, 42, 55 on 4); rows, not messages, would be hundreds.
  if (comm.size() > 1 && comm.size() <= 4) {
    EXPECT_LE(stages[1] - stages[0], 16);
    EXPECT_LE(stages[2] - stages[1], 16);
    EXPECT_LE(stages[2], 64);
  }
}

TEST(Triangular, ValuesMayChangeBetweenSolves) {
  const auto comm = Communicator::world();
  Problem p = random_problem(80, 6, comm.size(), 21);
  const Matrix matrix = assemble(comm, p);
  const TriangularSolver solver(comm, matrix.get(), p.elimination(comm.rank()));
  const Vector b = right_hand_side(matrix, 3), x = vector_like(matrix);
  check_petsc(MatScale(matrix.get(), 4), "MatScale");
  const auto rank = static_cast<std::size_t>(comm.rank());
  for (int row = p.begin[rank]; row < p.begin[rank + 1]; ++row) {
    check_petsc(MatSetValue(matrix.get(), row, row, 3 * p.at(row, row), INSERT_VALUES),
                "MatSetValue");
  }
  check_petsc(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
  check_petsc(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
  for (int row = 0; row < p.n; ++row) {
    for (auto& [column, value] : p.entry[static_cast<std::size_t>(row)]) {
      value *= column == row ? 3 : 4;
    }
  }
  const Numbers right = on_all_ranks(b);
  solver.solve(b.get(), x.get());
  EXPECT_LT(difference(on_all_ranks(x), substitute(p, right), p.scale), 1e-13);
  solver.solve_transposed(b.get(), x.get());
  EXPECT_LT(difference(on_all_ranks(x), substitute_transposed(p, right), p.scale), 1e-13);
}

TEST(Triangular, OutlivesItsMatrixAndMoves) {
  const auto comm = Communicator::world();
  const Problem p = random_problem(50, 4, comm.size(), 31);
  Matrix matrix = assemble(comm, p);
  TriangularSolver made(comm, matrix.get(), p.elimination(comm.rank()));
  const Vector b = right_hand_side(matrix, 4), x = vector_like(matrix);
  matrix.reset();
  const TriangularSolver solver = std::move(made);
  solver.solve(b.get(), x.get());
  EXPECT_LT(difference(on_all_ranks(x), substitute(p, on_all_ranks(b)), p.scale), 1e-13);
}

void expect_refusal(const Communicator& comm, const Problem& p,
                    const std::vector<std::int32_t>& elimination, const std::string& part) {
  const Matrix matrix = assemble(comm, p);
  std::string text;
  try {
    const TriangularSolver solver(comm, matrix.get(), elimination);
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    text = error.what();
    EXPECT_EQ(error.code(), ExitCode::internal);
  }
  EXPECT_NE(text.find(part), std::string::npos) << text;
  std::string of_root = text;
  comm.broadcast(of_root);
  EXPECT_EQ(text, of_root) << "all ranks throw alike";
}

TEST(Triangular, Refusals) {
  const auto comm = Communicator::world();
  const int last = comm.size() - 1;
  std::mt19937 random(3);
  Problem p = empty_problem(3 * comm.size(), comm.size(), random);
  for (int r = 0; r <= comm.size(); ++r) p.begin[static_cast<std::size_t>(r)] = 3 * r;
  for (int row = 0; row < p.n; ++row) p.at(row, row) = 1;
  auto elimination = p.elimination(comm.rank());
  {
    auto wrong = elimination;
    if (comm.rank() == last) wrong[0] = 1;
    expect_refusal(comm, p, wrong, "lists every local row once");
    if (comm.rank() == last) wrong.pop_back();
    expect_refusal(comm, p, wrong, "lists every local row");
  }
  {
    Problem q = p;
    q.entry[static_cast<std::size_t>(3 * last + 1)].clear();
    expect_refusal(comm, q, elimination,
                   "row " + std::to_string(3 * last + 1) + " has no diagonal entry");
  }
  {
    Problem q = p;
    q.at(3 * last, 3 * last + 2) = 1;
    expect_refusal(comm, q, elimination,
                   "row " + std::to_string(3 * last) + " needs row " +
                       std::to_string(3 * last + 2) + ", which comes after it");
  }
  if (comm.size() > 1) {
    Problem q = p;
    q.at(0, 3 * last + 2) = 1;
    q.at(3 * last + 2, 3 * last + 1) = 1;
    q.at(3 * last + 1, 0) = 1;
    expect_refusal(comm, q, elimination, "row 0 waits for column " + std::to_string(p.n - 1));
  }
}

}  // namespace
