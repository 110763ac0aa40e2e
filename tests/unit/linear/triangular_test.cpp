// SPDX-License-Identifier: BSD-3-Clause
// Distributed triangular solves against substitution on one rank. Rounding: the matrices are
// diagonally dominant after scaling by powers of two, so that substitution in any order of
// summation is exact to a few hundred units in the last place of the largest (scaled) unknown:
// 1e-13.
#include "linear/triangular.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "linear/handles.hpp"
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

using mensura::linear::check_petsc;
using mensura::linear::Matrix;
using mensura::linear::TriangularSolver;
using mensura::linear::TriangularStatistics;
using mensura::linear::Vector;
using mensura::parallel::Communicator;
using mensura::parallel::Error;
using mensura::parallel::ExitCode;
using mensura::test::Multilevel;
using Numbers = std::vector<double>;

class PetscEnvironment : public testing::Environment {
  void SetUp() override {
    session_.emplace(Communicator::world(), std::vector<std::pair<std::string, std::string>>{},
                     std::vector<std::string>{});
  }
  void TearDown() override { session_.reset(); }
  std::optional<mensura::linear::PetscSession> session_;
};
[[maybe_unused]] const auto* const petsc = testing::AddGlobalTestEnvironment(new PetscEnvironment);

// A small matrix that every rank holds: storage rows 0..n-1, dealt to the ranks in order.
struct Problem {
  int n = 0;
  std::vector<int> order;                    ///< rows in elimination order
  std::vector<std::map<int, double>> entry;  ///< [row][column]
  std::vector<int> begin;                    ///< [ranks + 1]
  Numbers scale;                             ///< entry (j, i) is scale[j] * O(1) * scale[i]

  std::vector<std::int32_t> elimination(int rank) const {
    std::vector<std::int32_t> local;
    const auto r = static_cast<std::size_t>(rank);
    for (const int row : order) {
      if (row >= begin[r] && row < begin[r + 1]) local.push_back(row - begin[r]);
    }
    return local;
  }
  double& at(int row, int column) { return entry[static_cast<std::size_t>(row)][column]; }
};

Problem empty_problem(int n, int ranks, std::mt19937& random) {
  Problem p;
  p.n = n;
  p.order.resize(static_cast<std::size_t>(n));
  std::iota(p.order.begin(), p.order.end(), 0);
  p.entry.resize(static_cast<std::size_t>(n));
  p.scale.assign(static_cast<std::size_t>(n), 1.0);
  // Random borders; equal ones leave ranks without rows.
  p.begin = {0, n};
  for (int r = 1; r < ranks; ++r) {
    p.begin.push_back(std::uniform_int_distribution<int>(0, 4)(random) * n / 4);
  }
  std::sort(p.begin.begin(), p.begin.end());
  return p;
}

Problem random_problem(int n, int neighbours, int ranks, unsigned seed) {
  std::mt19937 random(seed);
  Problem p = empty_problem(n, ranks, random);
  std::shuffle(p.order.begin(), p.order.end(), random);
  // Powers of two from 2^-12 to 2^12 scale exactly; the entries then range over fourteen decades.
  for (auto& s : p.scale) s = std::ldexp(1.0, std::uniform_int_distribution<int>(-12, 12)(random));
  std::uniform_real_distribution<double> value(-1, 1);
  for (int k = 0; k < n; ++k) {
    const int row = p.order[static_cast<std::size_t>(k)];
    const double own = p.scale[static_cast<std::size_t>(row)];
    p.at(row, row) = own * own * (1.5 + value(random) / 2);
    for (int m = 0; m < neighbours && k > 0; ++m) {
      const auto place = std::uniform_int_distribution<int>(0, k - 1)(random);
      const int column = p.order[static_cast<std::size_t>(place)];
      p.at(row, column) =
          own * p.scale[static_cast<std::size_t>(column)] * value(random) / (2.0 * neighbours);
    }
  }
  return p;
}

Matrix assemble(const Communicator& comm, const Problem& p, MatType type = MATAIJ) {
  Matrix matrix;
  const auto rank = static_cast<std::size_t>(comm.rank());
  const int local = p.begin[rank + 1] - p.begin[rank];
  check_petsc(MatCreate(comm.handle(), matrix.put()), "MatCreate");
  check_petsc(MatSetSizes(matrix.get(), local, local, p.n, p.n), "MatSetSizes");
  check_petsc(MatSetType(matrix.get(), type), "MatSetType");
  check_petsc(MatSeqAIJSetPreallocation(matrix.get(), p.n, nullptr), "preallocation");
  check_petsc(MatMPIAIJSetPreallocation(matrix.get(), local, nullptr, p.n, nullptr),
              "preallocation");
  for (int row = p.begin[rank]; row < p.begin[rank + 1]; ++row) {
    for (const auto& [column, value] : p.entry[static_cast<std::size_t>(row)]) {
      check_petsc(MatSetValue(matrix.get(), row, column, value, INSERT_VALUES), "MatSetValue");
    }
  }
  check_petsc(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
  check_petsc(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
  return matrix;
}

Vector vector_like(const Matrix& matrix) {
  Vector x;
  check_petsc(MatCreateVecs(matrix.get(), x.put(), nullptr), "MatCreateVecs");
  return x;
}

// A vector whose entries depend on the global row only.
Vector right_hand_side(const Matrix& matrix, unsigned seed) {
  Vector b = vector_like(matrix);
  PetscInt first = 0, last = 0;
  check_petsc(VecGetOwnershipRange(b.get(), &first, &last), "VecGetOwnershipRange");
  for (PetscInt i = first; i < last; ++i) {
    const auto word =
        mensura::parallel::mix(std::uint64_t{seed} * 1000003U + static_cast<std::uint64_t>(i));
    const double value = static_cast<double>(word >> 11U) * 0x1p-52 - 1;
    check_petsc(VecSetValue(b.get(), i, value, INSERT_VALUES), "VecSetValue");
  }
  check_petsc(VecAssemblyBegin(b.get()), "VecAssemblyBegin");
  check_petsc(VecAssemblyEnd(b.get()), "VecAssemblyEnd");
  return b;
}

Numbers on_all_ranks(const Vector& x) {
  mensura::linear::Scatter scatter;
  Vector all;
  check_petsc(VecScatterCreateToAll(x.get(), scatter.put(), all.put()), "VecScatterCreateToAll");
  for (const auto step : {VecScatterBegin, VecScatterEnd}) {
    check_petsc(step(scatter.get(), x.get(), all.get(), INSERT_VALUES, SCATTER_FORWARD), "scatter");
  }
  PetscInt size = 0;
  const PetscScalar* values = nullptr;
  check_petsc(VecGetSize(all.get(), &size), "VecGetSize");
  check_petsc(VecGetArrayRead(all.get(), &values), "VecGetArrayRead");
  Numbers result(values, values + size);
  check_petsc(VecRestoreArrayRead(all.get(), &values), "VecRestoreArrayRead");
  return result;
}

Numbers substitute(const Problem& p, const Numbers& b) {
  Numbers y(b.size());
  for (const int row : p.order) {
    const auto& entries = p.entry[static_cast<std::size_t>(row)];
    double sum = b[static_cast<std::size_t>(row)];
    for (const auto& [column, value] : entries) {
      if (column != row) sum -= value * y[static_cast<std::size_t>(column)];
    }
    y[static_cast<std::size_t>(row)] = sum / entries.at(row);
  }
  return y;
}

Numbers substitute_transposed(const Problem& p, Numbers b) {
  for (auto row = p.order.rbegin(); row != p.order.rend(); ++row) {
    const auto& entries = p.entry[static_cast<std::size_t>(*row)];
    const double x = b[static_cast<std::size_t>(*row)] /= entries.at(*row);
    for (const auto& [column, value] : entries) {
      if (column != *row) b[static_cast<std::size_t>(column)] -= value * x;
    }
  }
  return b;
}

// Largest difference relative to the largest unknown, both times the scale of their row.
double difference(const Numbers& a, const Numbers& b, const Numbers& scale) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error = std::max(error, scale[i] * std::abs(a[i] - b[i]));
    size = std::max(size, scale[i] * std::abs(b[i]));
  }
  return size > 0 ? error / size : error;
}

double dot(const Vector& a, const Vector& b) {
  double result = 0;
  check_petsc(VecDot(a.get(), b.get(), &result), "VecDot");
  return result;
}

double norm(const Vector& a) {
  return std::sqrt(dot(a, a));
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
// the end: the two travel together when they are known at the same time.
TEST(Triangular, ValuesTravelTogether) {
  const auto comm = Communicator::world();
  if (comm.size() < 2) GTEST_SKIP() << "needs two ranks";
  std::mt19937 random(3);
  Problem p = empty_problem(6, comm.size(), random);
  std::fill(p.begin.begin(), p.begin.end(), 6);
  p.begin[0] = 0;
  p.begin[1] = 3;
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
  EXPECT_EQ(solver.forward_statistics().stages, 2);
  EXPECT_EQ(solver.forward_statistics().messages, 2);
  EXPECT_EQ(solver.forward_statistics().bytes, 24);
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
