// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "transport/answer.hpp"
#include "transport/marginal.hpp"

namespace mensura::transport {

/// Two measures far apart, brought together for a squared cost. With y = y' + s
///   w |x - y|^2 = w |x - y'|^2 - 2 w s.(x - mean x) + 2 w s.(y - mean y) + w |s|^2,
/// s = mean y - mean x,
/// so that plans with prescribed marginals are the same and potentials differ by linear functions
/// (reference/transport 1.1). Without it the digits of the potentials would be spent on |s|.
class Centring {
 public:
  /// Collective. Nothing where the means are within four root mean square widths of a measure, and
  /// for two grids, which have one origin. `weight` is w.
  static std::optional<Centring> of(const parallel::Communicator& comm, const Marginal& a,
                                    const Marginal& b, double weight);

  /// Local. The coordinates y' of y.
  std::vector<double> moved(std::span<const double> coordinates) const;
  /// y - y'.
  const std::vector<double>& shift() const noexcept { return shift_; }
  /// What the cost of a plan of mass one with exact marginals gains.
  double constant() const noexcept { return constant_; }
  /// Local. From the potentials for x and y' to those for x and y; the coordinates are those of y.
  void restore(NodeAnswer& x, NodeAnswer& y) const;
  /// Collective. What the cost of a plan gains whose marginals are `transported`.
  double gain(const parallel::Communicator& comm, const NodeAnswer& x, const NodeAnswer& y) const;

 private:
  double slope(std::span<const double> point, std::span<const double> mean) const;
  std::vector<double> shift_, mean_x_, mean_y_;
  double weight_ = 1, constant_ = 0;
};

}  // namespace mensura::transport
