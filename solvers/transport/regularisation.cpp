// SPDX-License-Identifier: BSD-3-Clause
#include "transport/regularisation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "transport/hierarchy.hpp"

namespace mensura::transport {

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
  throw parallel::Error(
      parallel::ExitCode::input_data,
      fmt::format("marginals '{}' and '{}': all points coincide, or nearly, so that "
                  "regularisation.unit has no size; use unit: absolute",
                  marginals.front()->name, marginals.back()->name));
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
