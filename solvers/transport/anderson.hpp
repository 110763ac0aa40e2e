// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

namespace mensura::transport {

/// Anderson's acceleration of a fixed point iteration x <- g(x): the next x is the combination of
/// the last ones whose residuals g(x) - x cancel best (Walker, Ni 2011), in a weighted norm. Local
/// and the same on all ranks when the vectors are.
class Anderson {
 public:
  using Vector = std::vector<double>;
  /// `depth`: differences that are kept. `weights`: of the squares, one for each component.
  Anderson(std::size_t depth, Vector weights) : depth_(depth), weights_(std::move(weights)) {}

  void clear() { residuals_.clear(), images_.clear(); }
  std::size_t kept() const noexcept { return residuals_.size(); }
  /// Takes x and g(x); the next x.
  Vector next(const Vector& x, const Vector& image);

 private:
  double product(const Vector& a, const Vector& b) const;
  std::size_t depth_;
  Vector weights_;
  std::deque<Vector> residuals_, images_;
};

}  // namespace mensura::transport
