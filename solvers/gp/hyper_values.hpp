// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "gp/pattern.hpp"
#include "gp/problem.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// A number of the problem that is fitted.
struct HyperParameter {
  enum class Kind { length, variance, noise };
  static constexpr std::size_t all = static_cast<std::size_t>(-1);
  Kind kind = Kind::length;
  std::size_t index = 0;  ///< of the length in the prior, of the entry of data (or all of them)
  std::string name{};     ///< "length", "length_y", "variance", "noise_0"
};

/// All that a fit may change in a problem.
struct HyperValues {
  std::vector<double> lengths;     ///< in the order of priors, terms, factors and axes
  std::optional<double> variance;  ///< as Problem::variance
  std::vector<double> noise;       ///< of the entries of data
};

/// Local. What `spec` fits in the problem, lengths first. `variance`: it is a parameter.
std::vector<HyperParameter> parameters_of(const Problem& problem, const HyperSpec& spec,
                                          bool variance);

HyperValues values_of(const Problem& problem);             ///< Local.
void set_values(Problem& problem, const HyperValues& to);  ///< Local.

/// Local. The values with the parameters at a point of logarithms, and back.
HyperValues with_parameters(HyperValues values, const std::vector<HyperParameter>& parameters,
                            const std::vector<double>& at);
double value_of(const HyperValues& values, const HyperParameter& parameter);

/// Collective. Extents of the points along every axis.
std::vector<double> extents_of(const parallel::Communicator& comm, const Pattern& pattern);

/// Local. The bounds of the deck, or: a length from the mean spacing of the points to twice the
/// diameter of their bounding box (of its axes that the length is for; `extents`), noise a thousand
/// times either way, a variance ten thousand times either way from the smallest and the largest of
/// `variances`. Always with the present value inside.
HyperSpec::Bounds bounds_of(const HyperParameter& parameter, const Problem& problem,
                            const HyperSpec& spec, const std::vector<double>& extents,
                            double points, const std::vector<double>& variances);

/// Local. Where search `which` (0: at the present values) begins, but for the variance: all lengths
/// at the same place between their bounds, in logarithms, and noise at most a factor of ten away.
HyperValues start_of(std::size_t which, const Problem& problem,
                     const std::vector<HyperParameter>& parameters,
                     const std::vector<HyperSpec::Bounds>& bounds);

}  // namespace mensura::gp
