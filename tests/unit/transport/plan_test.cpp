// SPDX-License-Identifier: BSD-3-Clause
// The sparse plan and the Laplacian of its Newton system against dense matrices.
#include <gtest/gtest.h>

#include <cmath>

#include "dense.hpp"
#include "linear/petsc.hpp"
#include "transport/laplacian.hpp"
#include "transport/sparse_plan.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using parallel::Stream;
using transport::Cloud;
using transport::Cost;
using transport::Laplacian;
using transport::Potentials;
using transport::SparsePlan;

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> own_values(const Cloud& cloud, const Measure& measure,
                               const std::vector<double>& all) {
  std::vector<double> result;
  for (const std::size_t i : places(cloud, measure)) result.push_back(all[i]);
  return result;
}

std::vector<double> random_values(std::size_t count, double size, const std::string& name) {
  const Stream stream(3, "test", name);
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(size * (2 * stream.uniform(i, 0) - 1));
  return result;
}

// A plan between two random clouds at potentials of some sweeps, and all of it as dense matrices.
class Plan : public testing::Test {
 protected:
  void search(double epsilon_, const std::vector<double>& raised = {}) {
    epsilon = epsilon_;
    const auto c = [](const double* u, const double* v) {
      return (Wide(u[0]) - v[0]) * (Wide(u[0]) - v[0]) + (Wide(u[1]) - v[1]) * (Wide(u[1]) - v[1]);
    };
    std::vector<double> all_f(a.size(), 0.0), all_g(b.size(), 0.0);
    for (int sweep = 0; sweep < 5; ++sweep) {
      all_g = dense_soft(b, a, epsilon, all_f, c);
      all_f = dense_soft(a, b, epsilon, all_g, c);
    }
    for (std::size_t j = 0; j < raised.size(); ++j) all_g[j] += raised[j];
    at = {own_values(x, a, all_f), own_values(y, b, all_g)};
    ASSERT_TRUE(plan.search(at, epsilon, 1 << 20U));
    plan.evaluate(at, epsilon);
    note_support();
  }

  // `inside` and `values`: a.size() x b.size() numbers in the measures' order, on all ranks.
  void note_support() {
    const std::vector<double> numbers = everywhere(comm, y, b, own_numbers());
    std::vector<std::size_t> place(b.size());
    for (std::size_t j = 0; j < b.size(); ++j) place[static_cast<std::size_t>(numbers[j])] = j;
    inside.assign(a.size() * b.size(), 0.0);
    values = inside;
    const std::vector<std::size_t> rows = places(x, a);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (auto k = static_cast<std::size_t>(plan.pairs().starts[i]);
           k < static_cast<std::size_t>(plan.pairs().starts[i + 1]); ++k) {
        const auto number = static_cast<std::size_t>(plan.pairs().numbers[plan.pairs().columns[k]]);
        inside[rows[i] * b.size() + place[number]] = 1;
        values[rows[i] * b.size() + place[number]] = plan.values()[k];
      }
    }
    comm.max(std::span(inside));
    comm.max(std::span(values));
  }
  std::vector<double> own_numbers() const {
    std::vector<double> result(y.own());
    std::iota(result.begin(), result.end(), static_cast<double>(y.first));
    return result;
  }

  Wide exponent(std::size_t i, std::size_t j, const std::vector<double>& f,
                const std::vector<double>& g) const {
    const Wide u = Wide(a[i][0]) - b[j][0], v = Wide(a[i][1]) - b[j][1];
    return (f[i] + g[j] - u * u - v * v) / epsilon;
  }
  std::vector<double> all_f(const Potentials& p) const { return everywhere(comm, x, a, p.f); }
  std::vector<double> all_g(const Potentials& p) const { return everywhere(comm, y, b, p.g); }

  const Communicator comm = Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
  const Measure a = random_measure(2, 131, 1), b = random_measure(2, 113, 2);
  const Cloud x = cloud_of(comm, a), y = cloud_of(comm, b);
  const Cost cost{{}, 1, 2};
  SparsePlan plan{comm, x, y, cost};
  double epsilon = 1;
  Potentials at;
  std::vector<double> inside, values;
};

TEST_F(Plan, ValuesSumsAndProducts) {
  search(2e-3);
  const auto f = all_f(at), g = all_g(at);
  const auto u = random_values(a.size(), 1, "u"), v = random_values(b.size(), 1, "v");
  std::vector<Wide> rows(a.size(), 0), columns(b.size(), 0), pv(a.size(), 0), pu(b.size(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t at_pair = i * b.size() + j;
      const Wide p = a.mass[i] * b.mass[j] * std::exp(exponent(i, j, f, g));
      const double least = std::exp(-SparsePlan::log_threshold - SparsePlan::margin) *
                           std::min(a.mass[i], b.mass[j]);
      // The threshold is one of the search: pairs within rounding of it may be on either side.
      if (p > least * (1 + 1e-9)) {
        EXPECT_EQ(inside[at_pair], 1) << i << " " << j;
      }
      if (p < least * (1 - 1e-9)) {
        EXPECT_EQ(inside[at_pair], 0) << i << " " << j;
      }
      if (inside[at_pair] == 0) continue;
      // Exponents of up to 30 round to 1e-14, exp() adds as much.
      EXPECT_NEAR(values[at_pair], static_cast<double>(p), 1e-13 * static_cast<double>(p));
      rows[i] += p, columns[j] += p, pv[i] += p * v[j], pu[j] += p * u[i];
    }
  }
  std::vector<double> product(x.own()), transposed(y.own());
  plan.multiply(own_values(y, b, v), product);
  plan.multiply_transposed(own_values(x, a, u), transposed);
  const std::vector<std::size_t> i = places(x, a), j = places(y, b);
  for (std::size_t k = 0; k < x.own(); ++k) {
    EXPECT_NEAR(plan.row_sums()[k], static_cast<double>(rows[i[k]]), 1e-13 * plan.row_sums()[k]);
    EXPECT_NEAR(product[k], static_cast<double>(pv[i[k]]), 1e-13 * plan.row_sums()[k]);
  }
  for (std::size_t k = 0; k < y.own(); ++k) {
    const double size = plan.column_sums()[k];
    EXPECT_NEAR(size, static_cast<double>(columns[j[k]]), 1e-13 * size);
    EXPECT_NEAR(transposed[k], static_cast<double>(pu[j[k]]), 1e-13 * size);
  }
  EXPECT_EQ(plan.empty_lines(), 0);
  EXPECT_EQ(static_cast<double>(plan.total()), std::accumulate(inside.begin(), inside.end(), 0.0));
  Potentials higher = at;
  if (comm.is_root()) higher.f.assign(higher.f.size(), at.f[0] + 1e3);
  EXPECT_FALSE(plan.search(higher, epsilon, 10));
}

TEST_F(Plan, NothingOutsideMattersWhileTheDriftIsSmall) {
  search(2e-3);
  const auto f = all_f(at), g = all_g(at);
  EXPECT_EQ(plan.drift(at, epsilon), 0);
  for (int trial = 0; trial < 4; ++trial) {
    const std::string name = std::to_string(trial);
    auto df = random_values(a.size(), 1, "f" + name), dg = random_values(b.size(), 1, "g" + name);
    // All of one sign, a constant to and fro, and single points are the extremes.
    if (trial == 1) df.assign(a.size(), 1), dg.assign(b.size(), 1);
    if (trial == 2) df.assign(a.size(), -0.5), df[7] = 1, dg.assign(b.size(), 0), dg[3] = 1;
    const double most =
        *std::max_element(df.begin(), df.end()) + *std::max_element(dg.begin(), dg.end());
    const double scale = SparsePlan::margin * epsilon / most * (1 - 1e-9);
    const double constant = trial == 3 ? 5 : 0;
    std::vector<double> moved_f(f), moved_g(g);
    for (std::size_t i = 0; i < f.size(); ++i) moved_f[i] += scale * df[i] + constant;
    for (std::size_t j = 0; j < g.size(); ++j) moved_g[j] += scale * dg[j] - constant;
    const Potentials moved{own_values(x, a, moved_f), own_values(y, b, moved_g)};
    // Constants of 5 round to 1e-15, divided by eps.
    EXPECT_NEAR(plan.drift(moved, epsilon), SparsePlan::margin, 1e-8);
    EXPECT_LE(plan.drift(moved, epsilon), SparsePlan::margin);
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = 0; j < b.size(); ++j) {
        if (inside[i * b.size() + j] != 0) continue;
        const Wide p = a.mass[i] * b.mass[j] * std::exp(exponent(i, j, moved_f, moved_g));
        EXPECT_LT(p, std::exp(-SparsePlan::log_threshold) * std::min(a.mass[i], b.mass[j]));
      }
    }
  }
  Potentials broken = at;
  if (comm.rank() == comm.size() - 1 && !broken.f.empty()) broken.f[0] = std::nan("");
  EXPECT_GT(plan.drift(broken, epsilon), SparsePlan::margin) << "NaN must not look like no drift";
}

TEST_F(Plan, SweepsInTheScalingAndTheLogDomain) {
  search(2e-3);
  for (const double rho : {infinity, 0.05}) {
    for (const double start : {0.0, 300.0, -1500.0}) {  // in units of eps: the last two overflow
      std::vector<double> f = all_f(at), g = all_g(at);
      // Uneven, so that it is no constant that cancels.
      for (std::size_t j = 0; j < g.size(); ++j) g[j] += start * epsilon * (j % 2 == 0 ? 1 : 0.9);
      Potentials swept{at.f, own_values(y, b, g)};
      plan.sinkhorn(swept, epsilon, rho, 3);
      const double damping = std::isinf(rho) ? 1 : rho / (rho + epsilon);
      const auto update = [&](std::size_t count, const auto& term) {
        Wide top = -infinity, sum = 0;
        for (std::size_t k = 0; k < count; ++k) top = std::max(top, term(k));
        for (std::size_t k = 0; k < count; ++k) sum += std::exp(term(k) - top);
        return static_cast<double>(-damping * epsilon * (top + std::log(sum)));
      };
      const auto term = [&](std::size_t i, std::size_t j, double mass) {
        return inside[i * b.size() + j] == 0 ? -infinity
                                             : std::log(Wide(mass)) + exponent(i, j, f, g);
      };
      for (int sweep = 0; sweep < 3; ++sweep) {
        for (std::size_t i = 0; i < f.size(); ++i) {
          f[i] = 0;
          f[i] = update(b.size(), [&](std::size_t j) { return term(i, j, b.mass[j]); });
        }
        for (std::size_t j = 0; j < g.size(); ++j) {
          g[j] = 0;
          g[j] = update(a.size(), [&](std::size_t i) { return term(i, j, a.mass[i]); });
        }
      }
      const auto own_f = own_values(x, a, f), own_g = own_values(y, b, g);
      // Exponents of 1500 round to 2e-13 units of eps, three sweeps.
      const double rounding = epsilon * 1e-15 * (100 + 3 * std::abs(start));
      for (std::size_t i = 0; i < own_f.size(); ++i) EXPECT_NEAR(swept.f[i], own_f[i], rounding);
      for (std::size_t j = 0; j < own_g.size(); ++j) EXPECT_NEAR(swept.g[j], own_g[j], rounding);
    }
  }
}

// The Newton system by its blocks: R df + P dg and P' df + C dg.
struct System {
  std::vector<double> row_extra, column_extra;  // everywhere
};

class LaplacianTest : public Plan {
 protected:
  // The linear system of the blocks has the solution (df, dg) when the Laplacian maps the unknowns
  // to the right-hand side, and back() finds the rest.
  void expect_newton_system(const Laplacian& laplacian, const System& extra) {
    const auto df = random_values(a.size(), 1, "df"), dg = random_values(b.size(), 1, "dg");
    std::vector<double> rows(a.size(), 0.0), columns(b.size(), 0.0), size(a.size(), 0.0);
    for (std::size_t i = 0; i < a.size(); ++i) {
      rows[i] += extra.row_extra[i] * df[i];
      for (std::size_t j = 0; j < b.size(); ++j) {
        const double p = values[i * b.size() + j];
        rows[i] += p * (df[i] + dg[j]);
        columns[j] += p * (df[i] + dg[j]);
        size[i] += p;
      }
    }
    for (std::size_t j = 0; j < b.size(); ++j) columns[j] += extra.column_extra[j] * dg[j];
    const auto own_columns = own_values(y, b, columns);
    std::vector<double> unknowns = own_values(x, a, df);
    const auto own_dg = own_values(y, b, dg);
    std::vector<double> found_f(x.own()), found_g(y.own());
    const auto n = static_cast<std::size_t>(laplacian.own());
    // Which columns are heavy shows in where they lie: count entries as the class does.
    for (const std::size_t j : heavy_columns()) unknowns.push_back(-own_dg[j]);
    ASSERT_EQ(unknowns.size(), n);
    std::vector<double> product(n), rhs(n);
    laplacian.apply(0, unknowns, product);
    laplacian.right_hand_side(own_values(x, a, rows), own_columns, rhs);
    laplacian.back(unknowns, own_columns, found_f, found_g);
    const double most = comm.max(*std::max_element(size.begin(), size.end()));
    // Sums of up to 131 terms, each rounded relative to the largest.
    for (std::size_t k = 0; k < n; ++k) EXPECT_NEAR(product[k], rhs[k], 1e-13 * most);
    const auto own_df = own_values(x, a, df);
    for (std::size_t k = 0; k < x.own(); ++k) EXPECT_NEAR(found_f[k], own_df[k], 1e-15);
    for (std::size_t k = 0; k < y.own(); ++k) EXPECT_NEAR(found_g[k], own_dg[k], 1e-11);
  }

  std::vector<std::size_t> heavy_columns() const {
    std::vector<std::size_t> result;
    const std::vector<std::size_t> place = places(y, b);
    const double mean = static_cast<double>(plan.total()) / static_cast<double>(b.size());
    for (std::size_t j = 0; j < place.size(); ++j) {
      double degree = 0;
      for (std::size_t i = 0; i < a.size(); ++i) degree += inside[i * b.size() + place[j]];
      if (degree > 4 * std::max(1.0, mean)) result.push_back(j);
    }
    return result;
  }

  // Products of the assembled matrix with a vector given as apply() takes it.
  std::vector<double> assembled_product(const Laplacian& laplacian, double shift,
                                        const std::vector<double>& v, double least_share) {
    const linear::Matrix matrix = laplacian.assemble(shift, least_share);
    linear::Vector from, to;
    linear::check_petsc(MatCreateVecs(matrix.get(), from.put(), to.put()), "MatCreateVecs");
    PetscScalar* array = nullptr;
    linear::check_petsc(VecGetArray(from.get(), &array), "VecGetArray");
    std::copy(v.begin(), v.end(), array);
    linear::check_petsc(VecRestoreArray(from.get(), &array), "VecRestoreArray");
    linear::check_petsc(MatMult(matrix.get(), from.get(), to.get()), "MatMult");
    linear::check_petsc(VecGetArray(to.get(), &array), "VecGetArray");
    std::vector<double> result(array, array + v.size());
    linear::check_petsc(VecRestoreArray(to.get(), &array), "VecRestoreArray");
    PetscBool symmetric = PETSC_FALSE;
    linear::check_petsc(MatIsSymmetric(matrix.get(), 1e-15, &symmetric), "MatIsSymmetric");
    EXPECT_TRUE(comm.size() > 1 || symmetric == PETSC_TRUE);
    return result;
  }

  std::vector<double> vector_of(const Laplacian& laplacian, const std::string& name) const {
    std::vector<double> v = own_values(x, a, random_values(a.size(), 1, name));
    const auto columns = own_values(y, b, random_values(b.size(), 1, name));
    for (const std::size_t j : heavy_columns()) v.push_back(columns[j]);
    EXPECT_EQ(v.size(), static_cast<std::size_t>(laplacian.own()));
    return v;
  }

  // `least_share`: what the matrix leaves out.
  void expect_all(double least_share) {
    const System none{std::vector<double>(a.size(), 0.0), std::vector<double>(b.size(), 0.0)};
    const Laplacian laplacian(plan, {}, {});
    expect_newton_system(laplacian, none);
    System extra{random_values(a.size(), 0.1, "r"), random_values(b.size(), 0.1, "c")};
    for (double& r : extra.row_extra) r = std::abs(r) / 131;
    for (double& c : extra.column_extra) c = std::abs(c) / 113;
    const Laplacian relaxed(plan, own_values(x, a, extra.row_extra),
                            own_values(y, b, extra.column_extra));
    expect_newton_system(relaxed, extra);

    const auto largest = [&](std::span<const double> v) {
      double most = 0;
      for (const double value : v) most = std::max(most, std::abs(value));
      return comm.max(most);
    };
    const double scale = largest(relaxed.diagonal());
    for (const double shift : {0.0, 0.1}) {
      const std::vector<double> v = vector_of(relaxed, "v");
      std::vector<double> applied(v.size());
      relaxed.apply(shift, v, applied);
      const std::vector<double> assembled = assembled_product(relaxed, shift, v, least_share);
      double apart = 0;
      for (std::size_t k = 0; k < v.size(); ++k) {
        apart = std::max(apart, std::abs(assembled[k] - applied[k]));
      }
      // At most 131 pairs of a row are left out.
      EXPECT_LE(comm.max(apart), (1e-13 + 200 * least_share) * scale) << "shift " << shift;
      if (least_share > 0) {
        EXPECT_GT(comm.max(apart), 1e-13 * scale) << "nothing was left out";
      }
    }
    // Constants are the null space, exactly but for rounding, whatever was left out.
    const std::vector<double> ones(static_cast<std::size_t>(laplacian.own()), 1.0);
    std::vector<double> zero(ones.size());
    laplacian.apply(0, ones, zero);
    EXPECT_LE(largest(zero), 1e-13 * scale);
    EXPECT_LE(largest(assembled_product(laplacian, 0, ones, least_share)), 1e-13 * scale);
  }
};

TEST_F(LaplacianTest, ThinPlan) {
  search(1e-4);
  ASSERT_LT(plan.total(), 14 * x.total);
  expect_all(0);
}

TEST_F(LaplacianTest, ThinPlanWithAColumnThatTouchesAllRows) {
  std::vector<double> raised(b.size(), 0.0);
  raised[17] = 1.5;  // more than the largest cost difference
  search(5e-5, raised);
  ASSERT_LT(plan.total(), 14 * x.total);
  ASSERT_EQ(Laplacian(plan, {}, {}).heavy(), 1);
  ASSERT_EQ(std::accumulate(inside.begin(), inside.end(), 0.0), static_cast<double>(plan.total()));
  // The raised column would outweigh all others by exp(1.5 / eps): the rows' sweep brings it down.
  plan.sinkhorn(at, epsilon, infinity, 1);
  plan.evaluate(at, epsilon);
  note_support();
  expect_all(0);
}

TEST_F(LaplacianTest, FatPlan) {
  search(4e-3);
  ASSERT_GT(plan.total(), 14 * x.total);
  expect_all(0);
  expect_all(1e-5);
}

}  // namespace
