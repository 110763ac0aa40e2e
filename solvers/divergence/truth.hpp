// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>

#include "divergence/law.hpp"
#include "divergence/quantity.hpp"

namespace mensura::divergence {

/// Local. The divergence D(p||q) in closed form, +infinity where it is infinite, nullopt where no
/// closed form is known. Known: identical laws (0), disjoint or not nested supports; Gaussian
/// pairs, Gaussians truncated to the same box, beta, exponential and uniform pairs (KL, Jeffreys,
/// functions of J_a; JS of uniform boxes); KL of a uniform box to a (truncated) Gaussian. `order`
/// is in (0, 1) and ignored where the quantity has none. Throws Error{usage} on different
/// dimensions, wrong order or invalid laws. Formulas: Nielsen and Nock (2011) for exponential
/// families, Gil et al. (2013) for Renyi.
std::optional<double> truth(Quantity quantity, double order, const Law& p, const Law& q);

}  // namespace mensura::divergence
