// SPDX-License-Identifier: BSD-3-Clause
#include "transport/regularisation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "transport/cost.hpp"
#include "transport/hierarchy.hpp"

namespace mensura::transport {

namespace {

// Collective. The smallest box around a marginal's points.
Box box_around(const parallel::Communicator& comm, const Marginal& marginal) {
  Box box = box_of(marginal.dimension, marginal.coordinates);
  comm.min(std::span(box.lower));
  comm.max(std::span(box.upper));
  return box;
}

[[noreturn]] void refuse(const std::string& text) {
  throw parallel::Error(parallel::ExitCode::input_data, text);
}

}  // namespace

Cloud cloud_of(const parallel::Communicator& comm, const Marginal& marginal) {
  return make_cloud(comm, marginal.dimension, marginal.coordinates, marginal.mass, marginal.ids);
}

double common_spacing(const parallel::Communicator& comm,
                      std::span<const Marginal* const> marginals,
                      std::span<const Cloud* const> clouds, const std::function<void()>& poll) {
  double least = 0;
  for (std::size_t k = 0; k < marginals.size(); ++k) {
    if (k > 0 && marginals[k] == marginals[k - 1]) continue;
    const double own = spacing_of(comm, *marginals[k], *clouds[k], poll);
    if (own > 0) least = least > 0 ? std::min(least, own) : own;
  }
  return least > 0 ? least : diameter_of(comm, clouds);
}

double in_cost_units(const Problem& problem, std::span<const Marginal* const> marginals,
                     double spacing, double diameter) {
  double unit = 1;
  if (problem.unit == Unit::spacing_squared) unit = spacing;
  if (problem.unit == Unit::diameter_squared) unit = diameter;
  const double epsilon = problem.final_regularisation * unit * unit;
  if (epsilon > 0 && std::isfinite(epsilon)) return epsilon;
  const auto& [first, last] = std::pair(marginals.front()->name, marginals.back()->name);
  if (unit > 1) {
    refuse(
        fmt::format("marginals '{}' to '{}': the points are so far apart that the regularisation "
                    "is no finite number; bring the coordinates to a common, smaller scale",
                    first, last));
  }
  refuse(
      fmt::format("marginals '{}' and '{}': all points coincide, or nearly, so that "
                  "regularisation.unit has no size; use unit: absolute",
                  first, last));
}

double first_regularisation(const Problem& problem, double epsilon, double otherwise) {
  if (!problem.initial_regularisation) return otherwise;
  const double first = *problem.initial_regularisation / problem.final_regularisation * epsilon;
  if (std::isfinite(first)) return first;
  refuse(
      fmt::format("regularisation.initial {:.3g} is no finite number in units of the cost; lower "
                  "it, or leave it out",
                  *problem.initial_regularisation));
}

std::string edge_text(const std::string& from, const std::string& to) {
  return fmt::format("marginals '{}' and '{}'", from, to);
}

void check_resolution(double epsilon, double largest_cost, const std::string& edge,
                      const std::string& otherwise) {
  if (epsilon >= least_share * largest_cost && std::isfinite(largest_cost)) return;
  if (!std::isfinite(largest_cost)) {
    refuse(edge +
           ": the largest cost between their points is not finite: they are too far apart for this "
           "cost, or its weight or power is too large; bring the coordinates to a smaller scale");
  }
  refuse(edge + fmt::format(": the regularisation {:.3g} is below what doubles resolve beside the "
                            "largest cost {:.3g}; raise regularisation.final to {:.3g} at least "
                            "(unit: absolute), or bring points and weights to a common scale{}",
                            epsilon, largest_cost, least_share * largest_cost, otherwise));
}

void check_resolution(const parallel::Communicator& comm, const Problem& problem,
                      const std::vector<Marginal>& marginals, double epsilon) {
  std::vector<Box> boxes;
  for (const Marginal& marginal : marginals) boxes.push_back(box_around(comm, marginal));
  for (const EdgeSpec& edge : problem.edges) {
    const CostSpec spec = edge.cost.value_or(problem.cost);
    if (spec.kind == CostKind::matrix || spec.kind == CostKind::coulomb) continue;
    const Box &x = boxes[edge.from], &y = boxes[edge.to];
    // An entropy for every edge has its weight, like the cost.
    const Cost cost(spec, problem.per_edge ? 1 : edge.weight, marginals[edge.from].dimension);
    check_resolution(
        epsilon, cost.most(x.centre().data(), x.half().data(), y.centre().data(), y.half().data()),
        edge_text(marginals[edge.from].name, marginals[edge.to].name));
  }
}

double regularisation_of(const parallel::Communicator& comm, const Problem& problem,
                         std::span<const Marginal* const> marginals,
                         const std::function<void()>& poll) {
  if (problem.unit == Unit::absolute) return problem.final_regularisation;
  std::vector<Cloud> clouds;
  std::vector<const Cloud*> all;
  for (const Marginal* marginal : marginals) clouds.push_back(cloud_of(comm, *marginal));
  for (const Cloud& cloud : clouds) all.push_back(&cloud);
  return in_cost_units(problem, marginals, common_spacing(comm, marginals, all, poll),
                       diameter_of(comm, all));
}

}  // namespace mensura::transport
