// SPDX-License-Identifier: BSD-3-Clause
// Pattern, rows and equation over a small cloud, without a deck and without a job.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clouds.hpp"
#include "gp/equation_rows.hpp"
#include "gp/pattern.hpp"
#include "gp/problem.hpp"
#include "gp/rows.hpp"
#include "linear/petsc.hpp"

namespace mensura::test {

/// One session for all tests of a program: PETSc cannot be started again.
class PetscEnvironment : public testing::Environment {
  void SetUp() override {
    session_.emplace(parallel::Communicator::world(),
                     std::vector<std::pair<std::string, std::string>>{},
                     std::vector<std::string>{});
  }
  void TearDown() override { session_.reset(); }
  std::optional<linear::PetscSession> session_;
};
[[maybe_unused]] inline const auto* const petsc =
    testing::AddGlobalTestEnvironment(new PetscEnvironment);

inline gp::Kernel kernel(gp::Family family, double length) {
  return {{{1.0, {{family, {length}, {}}}}}};
}

inline gp::FieldSpec field(const std::string& expression) {
  gp::FieldSpec result;
  result.expression = expression;
  result.where = "test";
  return result;
}

inline gp::EquationSpec elliptic(const std::string& diffusion, double reaction, int power,
                                 const std::string& source) {
  gp::EquationSpec spec;
  spec.name = gp::EquationName::elliptic;
  spec.diffusion = field(diffusion);
  spec.reaction = reaction;
  spec.power = power;
  spec.source = field(source);
  return spec;
}

inline gp::EquationSpec other(gp::EquationName name, double viscosity, const std::string& source,
                              const std::string& initial = "0") {
  gp::EquationSpec spec;
  spec.name = name;
  spec.viscosity = viscosity;
  spec.source = field(source);
  spec.initial = field(initial);
  return spec;
}

/// The same equation with an unknown coefficient.
inline gp::EquationSpec inverse(gp::EquationSpec spec, gp::Unknown unknown,
                                const gp::Kernel& prior) {
  spec.inverse = gp::InverseSpec{.unknown = unknown, .name = "second", .prior = prior};
  return spec;
}

struct SmallSystem {
  gp::Pattern pattern;
  gp::RowLayout layout;
  gp::RowWeights weights;
  std::unique_ptr<gp::Equation> equation;
};

/// The coordinates of own and ghost points of one kind, and their rows in the kind's list.
inline gp::EquationPoints points_of(const gp::Pattern& pattern, gp::PointKind kind) {
  gp::EquationPoints result;
  result.dimension = pattern.dimension;
  result.total = pattern.counts[static_cast<std::size_t>(kind)];
  std::int64_t first = 0;
  for (std::size_t k = 0; k < static_cast<std::size_t>(kind); ++k) first += pattern.counts[k];
  const auto d = static_cast<std::size_t>(pattern.dimension);
  for (std::size_t p = 0; p < pattern.ids.size(); ++p) {
    if (pattern.kind(p) != kind) continue;
    result.rows.push_back(pattern.ids[p] - static_cast<std::uint64_t>(first));
    result.own += p < static_cast<std::size_t>(pattern.own);
    const double* x = &pattern.coordinates[p * d];
    result.coordinates.insert(result.coordinates.end(), x, x + d);
  }
  return result;
}

inline void set_weights(SmallSystem& system) {
  system.weights = gp::equation_rows(system.pattern, system.layout, *system.equation,
                                     [](std::uint64_t /*id*/) { return gp::value_of_u(); });
}

/// The data points with ids from `first` on, `count` of them, measure this functional instead of u.
inline void set_data_functional(SmallSystem& system, std::int64_t first, std::int64_t count,
                                const gp::Functional& f) {
  const auto rows = static_cast<std::size_t>(system.layout.local());
  const auto d = static_cast<std::size_t>(system.pattern.dimension);
  gp::RowWeights& weights = system.weights;
  const auto set = [&](std::vector<double>& kind, std::size_t row, double weight) {
    if (kind.empty() && weight != 0) kind.assign(rows, 0.0);
    if (!kind.empty()) kind[row] = weight;
  };
  for (std::size_t p = 0; p < system.pattern.ids.size(); ++p) {
    const auto id = static_cast<std::int64_t>(system.pattern.ids[p]);
    if (id < first || id >= first + count) continue;
    const auto row = static_cast<std::size_t>(system.layout.first[p]);
    set(weights.value, row, f.value);
    set(weights.laplacian, row, f.laplacian);
    for (std::size_t a = 0; a < d; ++a) set(weights.gradient[a], row, f.gradient[a]);
    for (std::size_t e = 0; e < d * (d + 1) / 2; ++e) set(weights.hessian[e], row, f.hessian[e]);
  }
}

/// Collective.
inline SmallSystem make_system(const parallel::Communicator& comm, const Cloud& cloud,
                               const gp::EquationSpec& spec, double radius, int k = 3) {
  SmallSystem system;
  gp::OrderedPoints points = ordered(cloud, comm, k);
  gp::put_data_last(points, 4);
  system.pattern = gp::make_pattern(comm, std::move(points), {.radius = radius}, [] {});
  system.equation = gp::make_equation(spec, cloud.dimension);
  system.equation->prepare(comm, points_of(system.pattern, gp::PointKind::interior));
  system.layout = gp::make_layout(comm, system.pattern, {1, system.equation->state_rows(), 1});
  set_weights(system);
  return system;
}

}  // namespace mensura::test
