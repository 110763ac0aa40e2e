// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <span>
#include <string>

#include "gp/gauss_newton.hpp"

namespace mensura::gp {

/// Local. Why Gauss-Newton is given up after its `last` step. `changes`: relative changes of all
/// steps; `wanted`: the one at which it would have converged.
std::string complaint(const NewtonStep& last, std::span<const double> changes, double wanted);

}  // namespace mensura::gp
