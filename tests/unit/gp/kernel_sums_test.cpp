// SPDX-License-Identifier: BSD-3-Clause
// Exact kernel sums against products with whole blocks, and against themselves on one rank.
#include "gp/kernel_sums.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "functional_rows.hpp"
#include "parallel/exchange.hpp"
#include "parallel/random.hpp"

namespace mensura::test {
namespace {

using gp::Family;
using gp::Kernel;
using gp::Rows;
using linear::Eight;
using parallel::Communicator;

/// Points with their rows, the same on every rank.
struct Everything {
  int dimension = 2;
  std::vector<Point> x;
  std::vector<std::vector<Functional>> functionals;
  bool two_fields = false;  ///< each functional acts on the second field too, with other weights
};

enum class Mix { values, elliptic, first_order, everything };

std::vector<Functional> rows_of_point(Mix mix, int dimension, std::size_t point,
                                      std::mt19937_64& generator) {
  Functional value, laplacian;
  value.value = 1;
  laplacian.laplacian = -1;
  if (mix == Mix::values) return {value};
  if (mix == Mix::elliptic) {
    // Boundary points have one row, interior points two, measured functionals a mixture.
    Functional both{0.3, -1.7, {}, {}};
    return point % 5 == 0   ? std::vector{value}
           : point % 5 == 4 ? std::vector{both}
                            : std::vector{value, laplacian};
  }
  const int order = mix == Mix::first_order ? 1 : 2;
  std::vector<Functional> all = elementary(dimension, order);
  all.push_back(mixed(dimension, order, generator));
  all.resize(1 + point % all.size());
  return all;
}

Everything make(int dimension, Mix mix, std::size_t points, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  Everything all{dimension, {}, {}, false};
  for (std::size_t p = 0; p < points; ++p) {
    Point x{};
    for (std::size_t a = 0; a < static_cast<std::size_t>(dimension); ++a) x[a] = uniform(generator);
    // Some points coincide: derivatives at distance zero.
    all.x.push_back(p > 0 && p % 50 == 0 ? all.x[p / 2] : x);
    all.functionals.push_back(rows_of_point(mix, dimension, p, generator));
  }
  return all;
}

/// Weights of the last row on the second field: other kinds than on the first one.
void add_second(Rows& rows, std::size_t row) {
  const auto number = static_cast<double>(row);
  rows.second.value.push_back(row % 3 == 0 ? 0 : std::cos(number));
  rows.second.gradient[1].push_back(std::sin(number));
}

/// The points of one rank, not in their order. Rank 1 of two or more has no targets.
struct Part {
  Rows rows;
  std::vector<std::uint64_t> ids;
  std::vector<std::size_t> row;  ///< of all rows
};

Part part(const Everything& all, const Communicator& comm, bool skip_one) {
  Part result;
  result.rows.dimension = all.dimension;
  std::vector<std::size_t> first(1, 0);
  for (const auto& functionals : all.functionals)
    first.push_back(first.back() + functionals.size());
  for (std::size_t i = all.x.size(); i-- > 0;) {
    auto owner = static_cast<int>(parallel::mix(i) % static_cast<std::uint64_t>(comm.size()));
    if (skip_one && owner == 1) owner = 0;
    if (owner != comm.rank()) continue;
    add_point(result.rows, all.dimension, all.x[i], all.functionals[i]);
    result.ids.push_back(i);
    for (std::size_t r = first[i]; r < first[i + 1]; ++r) {
      result.row.push_back(r);
      if (all.two_fields) add_second(result.rows, r);
    }
  }
  return result;
}

double coefficient(std::size_t row, std::size_t vector) {
  static const parallel::Stream stream(3, "test", "coefficients");
  return stream.normal(row, vector);
}

/// The sums at own target rows; what rank 0 of one rank finds for all is the reference of bits.
std::vector<double> sums(const Communicator& comm, const gp::Prior& kernel,
                         const Everything& sources, const Everything& targets, std::size_t vector) {
  const Part from = part(sources, comm, false), to = part(targets, comm, true);
  gp::KernelSums operation(comm, kernel, from.rows, from.ids,
                           static_cast<std::int64_t>(sources.x.size()));
  std::vector<double> coefficients, result(to.rows.rows(), -1.0);
  for (const std::size_t row : from.row) coefficients.push_back(coefficient(row, vector));
  operation.apply(to.rows, coefficients, result, [] {});
  EXPECT_EQ(operation.pairs(),
            static_cast<double>(sources.x.size()) * static_cast<double>(targets.x.size()));
  return result;
}

struct Case {
  const char* name;
  int dimension;
  Mix mix;
  gp::Prior prior;
};

std::vector<Case> cases() {
  const Kernel stretched{{{1.3, {{Family::matern_9_2, {0.3, 0.7}, {}}}}}};
  const Kernel tensor{{{1.0, {{Family::matern_7_2, {0.3}, {0}}, {Family::matern_5_2, {0.4}, {1}}}},
                       {0.5, {{Family::gaussian, {0.2}, {}}}}}};
  return {{"elliptic", 2, Mix::elliptic, radial(Family::matern_7_2, 0.3)},
          {"elliptic, Gaussian", 3, Mix::elliptic, radial(Family::gaussian, 0.4)},
          {"values", 2, Mix::values, radial(Family::matern_5_2, 0.3)},
          {"rough", 2, Mix::first_order, radial(Family::matern_3_2, 0.3)},
          {"everything in 1-D", 1, Mix::everything, radial(Family::matern_7_2, 0.3)},
          {"everything in 2-D", 2, Mix::everything, radial(Family::matern_9_2, 0.3)},
          {"everything in 3-D", 3, Mix::everything, radial(Family::matern_11_2, 0.5)},
          {"stretched", 2, Mix::elliptic, stretched},
          {"stretched, everything", 2, Mix::everything, stretched},
          {"sum with a product", 2, Mix::everything, tensor},
          {"two fields", 2, Mix::elliptic, {radial(Family::matern_7_2, 0.3), stretched}}};
}

/// Products with the whole block in extended precision, and the sums of the terms' magnitudes.
struct Reference {
  std::vector<double> value, size;
};

Reference reference(const gp::Prior& kernel, const Everything& sources, const Rows& targets,
                    std::size_t vector) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const Part from = part(sources, self, false);
  gp::Covariance covariance(kernel, sources.dimension);
  const std::size_t n = from.rows.rows(), stride = (n + 7) / 8 * 8;
  std::vector<double> block(targets.rows() * stride);
  if (targets.rows() > 0) covariance.cross(targets, from.rows, block.data(), stride);
  Reference result;
  for (std::size_t i = 0; i < targets.rows(); ++i) {
    long double sum = 0, size = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const long double term =
          static_cast<long double>(block[i * stride + j]) * coefficient(from.row[j], vector);
      sum += term;
      size += std::abs(term);
    }
    result.value.push_back(static_cast<double>(sum));
    result.size.push_back(static_cast<double>(size));
  }
  return result;
}

// 600 points: two full tiles and a part of one. Both sides take the same derivatives, rounded
// alike, and round products and sums differently: measured 6e-17 of the sum of all magnitudes.
TEST(KernelSums, AreProductsWithTheBlock) {
  const auto comm = Communicator::world();
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    Everything sources = make(one.dimension, one.mix, 600, 1);
    Everything targets = make(one.dimension, one.mix, 90, 2);
    sources.two_fields = targets.two_fields = one.prior.second.has_value();
    const auto found = sums(comm, one.prior, sources, targets, 0);
    const Rows rows = part(targets, comm, true).rows;
    const Reference expected = reference(one.prior, sources, rows, 0);
    double worst = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      worst = std::max(worst, std::abs(found[i] - expected.value[i]) / expected.size[i]);
    }
    worst = comm.max(worst);
    EXPECT_LE(worst, 1e-15);
    if (comm.is_root()) std::printf("%s: off by %.1e\n", one.name, worst);
  }
}

TEST(KernelSums, HaveTheSameBitsOnAnyNumberOfRanks) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    Everything sources = make(one.dimension, one.mix, 600, 1);
    Everything targets = make(one.dimension, one.mix, 40, 2);
    sources.two_fields = targets.two_fields = one.prior.second.has_value();
    const auto alone = sums(self, one.prior, sources, targets, 0);
    const Part all = part(targets, self, true);
    std::vector<double> by_row(alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) by_row[all.row[i]] = alone[i];
    const auto found = sums(comm, one.prior, sources, targets, 0);
    const Part mine = part(targets, comm, true);
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], by_row[mine.row[i]]);
  }
}

TEST(KernelSums, OfEightVectorsAreThoseOfEach) {
  const auto comm = Communicator::world();
  const Kernel kernel = radial(Family::matern_9_2, 0.3);
  const Everything sources = make(2, Mix::everything, 300, 1),
                   targets = make(2, Mix::everything, 40, 2);
  const Part from = part(sources, comm, false), to = part(targets, comm, true);
  gp::KernelSums operation(comm, kernel, from.rows, from.ids, 300);
  std::vector<Eight> coefficients, eight(to.rows.rows());
  for (const std::size_t row : from.row) {
    alignas(64) std::array<double, 8> numbers{};
    for (std::size_t v = 0; v < 8; ++v) numbers[v] = coefficient(row, v);
    coefficients.push_back(linear::load(numbers.data()));
  }
  operation.apply(to.rows, coefficients, eight, [] {});
  for (const std::size_t v : {0U, 3U, 7U}) {
    const auto one = sums(comm, kernel, sources, targets, v);
    const Reference expected = reference(kernel, sources, to.rows, v);
    for (std::size_t i = 0; i < one.size(); ++i) {
      alignas(64) std::array<double, 8> numbers{};
      linear::store(eight[i], numbers.data());
      // The lanes are added in another order.
      EXPECT_NEAR(numbers[v], one[i], 1e-15 * expected.size[i]);
    }
  }
}

// More targets than fit in a round, messages in pieces, and enough work for polls, which are
// collective: a rank that polls once more would wait for ever.
TEST(KernelSums, GoRoundSeveralTimes) {
  const auto comm = Communicator::world();
  const auto before = parallel::message_limit();
  parallel::set_message_limit(100001);
  const Kernel kernel = radial(Family::matern_5_2, 0.3);
  const Everything sources = make(2, Mix::values, 15000, 1);
  const Part mine = part(sources, comm, true);
  gp::KernelSums operation(comm, kernel, mine.rows, mine.ids, 15000);
  std::vector<double> coefficients, found(mine.rows.rows());
  for (const std::size_t row : mine.row) coefficients.push_back(coefficient(row, 0));
  std::int64_t polls = 0;
  operation.apply(mine.rows, coefficients, found, [&] { polls += comm.sum(1) / comm.size(); });
  parallel::set_message_limit(before);
  EXPECT_GE(polls, comm.size() <= 2 ? 2 : 1) << "2e8 pairs take a moment";
  Rows few;
  few.dimension = 2;
  std::vector<double> of_few;
  for (std::size_t i = 0; i < found.size(); i += 997) {
    add_point(few, 2, {mine.rows.coordinate[0][i], mine.rows.coordinate[1][i], 0},
              {Functional{1, 0, {}, {}}});
    of_few.push_back(found[i]);
  }
  const Reference expected = reference(kernel, sources, few, 0);
  for (std::size_t i = 0; i < of_few.size(); ++i) {
    EXPECT_NEAR(of_few[i], expected.value[i], 1e-15 * expected.size[i]);
  }
}

TEST(KernelSums, OfNothingAreZero) {
  const auto comm = Communicator::world();
  const Kernel kernel = radial(Family::matern_5_2, 0.3);
  const Everything none{2, {}, {}, false}, some = make(2, Mix::values, 5, 1);
  for (const double sum : sums(comm, kernel, none, some, 0)) EXPECT_EQ(sum, 0);
  EXPECT_TRUE(sums(comm, kernel, some, none, 0).empty());
}

TEST(KernelSums, RefuseDerivativesThatThePriorDoesNotHave) {
  const auto comm = Communicator::world();
  const Everything points = make(2, Mix::elliptic, 8, 1);
  parallel::ExitCode code = parallel::ExitCode::success;
  try {
    sums(comm, radial(Family::matern_3_2, 0.3), points, points, 0);
  } catch (const parallel::Error& error) {
    code = error.code();
  }
  EXPECT_EQ(code, parallel::ExitCode::usage) << "on every rank, whoever has the rows";
}

}  // namespace
}  // namespace mensura::test
