// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "output/field_writer.hpp"
#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/marginal.hpp"
#include "transport/tensor_slices.hpp"

namespace mensura::transport {

/// A small marginal, the same on all ranks, in the order of the input.
struct GatheredMarginal {
  std::string name;
  int dimension = 0;
  std::int64_t input_total = 0;
  std::optional<output::RegularGrid> grid{};
  double total_mass = 1;            ///< of the marginal as given
  std::vector<double> coordinates;  ///< n x dimension, row-major
  std::vector<double> mass;         ///< n, sum one
  std::vector<std::uint64_t> ids;   ///< n, ascending: positions in the input
  std::size_t size() const noexcept { return mass.size(); }
};

/// Collective. All points of all marginals on every rank. Throws Error{too_large} on all ranks
/// before anything moves when there are more than `most` of them together; `solver` and `advice`
/// are for its message.
std::vector<GatheredMarginal> gather_marginals(const parallel::Communicator& comm,
                                               std::span<const Marginal> marginals,
                                               std::int64_t most, const std::string& solver,
                                               const std::string& advice);

/// Local. Costs of a plan of mass one with K = `nodes` marginals as those of the mass `mass`:
///   linear: mass times; regularised: mass (value - eps (K - 1) log mass),
/// since the entropy is relative to the product of all marginals.
void set_costs(double linear, double regularised, double mass, double epsilon, std::size_t nodes,
               Answer& answer);

/// Local. Constants that sum to zero are free: potentials of a plan of mass one become those for
/// the mass `mass`, with weighted mean zero on all nodes but the last.
NodeFields canonical(NodeFields potentials, std::span<const GatheredMarginal> nodes,
                     double epsilon);

/// Local. This rank's block of a node's points. `transported` (mass one) and `potential`: of all
/// its points.
NodeAnswer block_of(const parallel::Communicator& comm, const GatheredMarginal& node,
                    std::span<const double> transported, std::span<const double> potential);

/// Entries below this share of their row's mass are left out of dense plans.
inline constexpr double least_share_of_row = 1e-14;

/// Local. Rows [first, first + own) of the marginal of two nodes (row-major own x columns, mass
/// one) as a sparse plan. rows_node and columns_node are left to the caller.
PlanAnswer plan_of_rows(const GatheredMarginal& rows, const GatheredMarginal& columns,
                        std::size_t first, std::span<const double> values);

}  // namespace mensura::transport
