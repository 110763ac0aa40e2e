// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <functional>
#include <vector>

#include "transport/certificate.hpp"
#include "transport/hierarchy.hpp"
#include "transport/kernel.hpp"

namespace mensura::transport {

// Plans that are known through a kernel only: the same numbers as from a stored plan. Collective.

/// sum over y (over x) of the plan of the potentials at own points of x (of y).
std::vector<double> row_sums(const Kernel& kernel, const Cloud& x, const Potentials& at,
                             double epsilon, const std::function<void()>& poll);
std::vector<double> column_sums(const Kernel& kernel, const Cloud& y, const Potentials& at,
                                double epsilon, const std::function<void()>& poll);

/// Barycentric projection of x, sum_y P y / sum_y P at own points x dimension, for the potential g
/// of y (that of x has no part in it). As exact as the kernel's sums: rounding of about 1e-15 |g| /
/// eps times the box around the points.
std::vector<double> row_map(const parallel::Communicator& comm, const Kernel& kernel,
                            const Cloud& x, const Cloud& y, std::span<const double> g,
                            double epsilon, const std::function<void()>& poll);

/// As rounded_cost() for a stored plan.
double rounded_cost(const parallel::Communicator& comm, const Kernel& kernel, const Cloud& x,
                    const Cloud& y, const Potentials& at, double epsilon,
                    std::span<const double> rows, std::span<const double> columns, const Cost& cost,
                    double& remainder, const std::function<void()>& poll);

/// As certify() for a stored plan: the rounding scales rows and columns, which potentials can
/// express.
Certificate certify(const parallel::Communicator& comm, const Kernel& kernel, const Level& level,
                    const Potentials& at, double epsilon, const Cost& cost,
                    const std::function<void()>& poll);

}  // namespace mensura::transport
