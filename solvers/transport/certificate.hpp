// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/cost.hpp"
#include "transport/sparse_plan.hpp"

namespace mensura::transport {

/// Bounds of the unregularised problem's value: dual <= optimum <= primal.
struct Certificate {
  double primal = 0;     ///< cost of the rounded plan
  double dual = 0;       ///< of feasible potentials
  double remainder = 0;  ///< mass that the rounding moved
  double absolute() const noexcept { return primal - dual; }
};

/// Local. Both bounds, raised by `shift`, and the gap between them. A gap below zero that is
/// rounding of sums of `scale`, the largest cost times the mass, is none.
void set_bounds(double primal, double dual, double shift, double scale, Answer& answer);

/// Collective. Primal: the plan's rows, then its columns, are scaled down to their marginals and
/// what is missing is added as a product (Altschuler, Weed, Rigollet 2017); its cost is exact for
/// the squared Euclidean cost, by moments, and bounded by the largest cost for others. Dual: exact
/// c-transforms, f = c-transform of g, g = c-transform of f (reference/transport 2.7). `plan` holds
/// the values at `at`.
Certificate certify(const SparsePlan& plan, const Potentials& at, const Cost& cost);
Certificate certify(const SparsePlan& plan, const Potentials& at, const CostRows& cost);

/// Collective. Cost of the plan rounded to these marginals (own points, equal total mass) as
/// certify() does it; `remainder` is the mass that the rounding moved.
double rounded_cost(const SparsePlan& plan, std::span<const double> rows,
                    std::span<const double> columns, const Cost& cost, double& remainder);

/// Collective. Cost of the product of what rows and columns miss (own points, >= 0, of the same
/// mass up to rounding), by moments or, for other costs than the squared one, an upper bound;
/// `mass` is what is missing.
double product_cost(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                    std::span<const double> rows, std::span<const double> columns, const Cost& cost,
                    double& mass);

/// Collective. The value of the dual at f = c-transform of g, g = c-transform of f.
double dual_value(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                  std::span<const double> g, const Cost& cost);

/// Collective. sum c P of the plan's values.
double linear_cost(const SparsePlan& plan);

}  // namespace mensura::transport
