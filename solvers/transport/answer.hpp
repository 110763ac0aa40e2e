// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "output/field_writer.hpp"

namespace mensura::transport {

/// One regularisation on one level of the hierarchy: an entry of `history`.
struct StageReport {
  int level = 0;                                   ///< 0 is the finest
  std::int64_t points = 0;                         ///< of the first marginal on this level
  double regularisation = 0;                       ///< absolute
  std::string method;                              ///< "newton" or "sinkhorn"
  std::int64_t newton = 0;                         ///< steps
  std::vector<std::int64_t> cg;                    ///< iterations of every linear solve
  std::int64_t sinkhorn = 0;                       ///< sweeps (both marginals updated once)
  std::int64_t searches = 0;                       ///< of the support
  double plan_per_row = 0, laplacian_per_row = 0;  ///< stored entries
  double error_l1 = 0;                             ///< larger of the two marginals' L1 errors
  double dual_objective = 0;                       ///< of the regularised problem
  double sweep_rate = 1;                           ///< measured error ratio of one Sinkhorn sweep
  double seconds = 0;
  /// Trees with free nodes: most iterations of an edge's Laplacian inside one iteration of `cg`.
  std::int64_t inner = 0;
  std::int64_t part = 0;  ///< of a graph
};

/// What a marginal's points know at the end. All arrays are in the order of `ids` on this rank,
/// ids being positions in the input; distribution arbitrary.
struct NodeAnswer {
  std::string name;
  int dimension = 0;
  std::int64_t input_total = 0;     ///< points or pixels of the input
  std::vector<std::uint64_t> ids;   ///< own points with mass
  std::vector<double> coordinates;  ///< own x dimension
  std::vector<double> mass;         ///< own, as prescribed
  std::vector<double> transported;  ///< own: mass of the plan's marginal; of a free node: mass
  std::vector<double> potential;    ///< own
  std::vector<double> map;          ///< own x dimension: barycentric projection; empty: no plan
  /// Own x dimension, of splines: mean velocity at the point, and the variance of every component.
  std::vector<double> velocity, velocity_variance;
  std::optional<output::RegularGrid> grid{};  ///< of the whole input where it is one
  bool free_places = false;                   ///< the coordinates are sought, part of the answer
};

/// A sparse plan in rows of the first marginal; row and column numbers are input positions.
struct PlanAnswer {
  std::string edge;                             ///< "a-b": rows are a's
  std::size_t rows_node = 0, columns_node = 1;  ///< places in Answer::nodes
  std::vector<std::uint64_t> row_ids;           ///< own rows, any order
  std::vector<std::int64_t> row_starts;         ///< own rows + 1
  std::vector<std::int64_t> columns;            ///< input positions of the second marginal
  std::vector<double> values;
};

/// Paths drawn from a spline's plan: paths x times x dimension, the same on all ranks.
struct PathAnswer {
  std::vector<double> times;
  std::vector<double> positions, velocities;
};

/// Result of a transport problem: NaN where a number does not apply.
struct Answer {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  bool converged = false;
  std::string method;  ///< what `automatic` chose, or as asked
  std::string reason;  ///< why
  std::string advice;  ///< what to do where it has not converged; empty: the usual
  double regularisation = unknown;
  double marginal_error_l1 = unknown;  ///< larger of the two, relative to the total mass
  double cost_linear = unknown;        ///< <c, P> of the regularised plan
  /// Pairs: with eps KL(P | R), R the product of the marginals, KL = sum P log(P / R) - |P| + |R|.
  /// Graphs: with eps sum P log(P / R), R the product of the given marginals, every point of a free
  /// one counting one; for mass one these are the same. Unbalanced graphs: with KL, free points
  /// counting together as much as the given marginal that they are like. With one entropy per edge:
  /// sum_k w_k [<c, P_k> + eps KL(P_k | m_k x uniform on the centre's points)], debiased less half
  /// of the same from the centre to itself.
  double cost_regularised = unknown;
  double primal_rounded = unknown;  ///< <c, P> of the plan rounded to the exact marginals
  double dual = unknown;            ///< of feasible potentials (exact c-transforms)
  double gap_absolute = unknown, gap_relative = unknown;
  double gap_rounding = 0;          ///< smaller gaps are rounding of the largest cost; not recorded
  double divergence = unknown;      ///< Sinkhorn divergence where asked
  double standard_error = unknown;  ///< of sliced
  std::vector<std::int64_t> newton_iterations, cg_iterations, sinkhorn_iterations;  ///< per stage
  std::vector<StageReport> history;
  std::vector<NodeAnswer> nodes;
  std::vector<PlanAnswer> plans;
  double shared_marginal_error = unknown;  ///< graphs: of plans that meet at a node, L1
  std::int64_t tuple_count = 0;            ///< samples of the whole plan, over all ranks
  std::vector<std::int64_t> tuples;        ///< own block of them: samples x nodes, input positions
  std::optional<PathAnswer> paths{};
};

}  // namespace mensura::transport
