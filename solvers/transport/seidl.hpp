// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/line.hpp"

namespace mensura::transport {

/// Collective. Strictly correlated electrons on the line: the value of
///   min E sum_{i<j} 1 / |x_i - x_j|,  all K = `electrons` >= 2 marginals the measure mu,
/// with mu the points (any distribution over ranks) normalised to one, rho = K mu the density of
/// the electrons. The optimum is Seidl's: x_i = Q(s + i/K mod 1), Q the quantile function of mu and
/// s uniform, that is the co-motion maps f_k = Ne^-1(Ne + k) (Seidl 1999; Colombo, De Pascale, Di
/// Marino 2015; reference/transport 3.5), so that the value is
///   K sum_{g=1}^{K-1} int_0^{1-g/K} ds / (Q(s + g/K) - Q(s)).
/// For the uniform density on [0, 1] K (K H_{K-1} - (K-1)), and exactly that on its grid of cell
/// centres when K divides their number.
/// Masses are points' masses. Where multiples of 1/K of the mass fall inside a point, its mass is
/// split between two places of the plan: the plan still has the marginals mu, its value is returned
/// and bounds the discrete optimum from above. A point with more than 1/K of the mass (by more than
/// 1e-12) meets itself in every plan: the value is +infinity.
/// Errors of points as in line.hpp (Weighted); Error{internal} for fewer than two electrons. Memory
/// O(n/P); independent of the number of ranks, bitwise. K - 1 merges.
double seidl_value(const parallel::Communicator& comm, const Weighted& points,
                   std::int64_t electrons);

/// Local. Electrons have no plan where two of them meet in every one: throws Error{input_data} that
/// names a marginal with a point of more than 1/K of the mass.
[[noreturn]] void refuse_crowded(const std::string& marginal, std::size_t electrons);

/// The points of one electron; its masses sum to one.
struct ElectronPoints {
  std::string name;
  std::span<const double> coordinates, mass;
};

/// Local. There is a plan without an electron on top of another exactly where no place has more
/// than one electron: sum_k mu_k({x}) <= 1 (a matrix of such rows is a mean of injections, Birkhoff
/// 1946). Throws refuse_crowded() where one is by more than 1e-12.
void check_crowding(const std::vector<ElectronPoints>& electrons, int dimension);

/// Local. 1 / |x - y| between points (row-major, `dimension` coordinates), rows by x; +infinity
/// where they coincide. (A matrix and no CostKind: the kernels' bounds over boxes and their
/// certificates need costs that are finite.)
std::vector<double> coulomb_cost(std::span<const double> x, std::span<const double> y,
                                 int dimension);

}  // namespace mensura::transport
