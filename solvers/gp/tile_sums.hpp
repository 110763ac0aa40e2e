// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "gp/derivatives.hpp"
#include "gp/functionals.hpp"
#include "points/aligned.hpp"

namespace mensura::gp {

/// Sums of kernel derivatives between one point and a tile of source points. A source point has a
/// strength for every elementary functional in use (`right`) and vector: the sum over its rows of
/// weight x coefficient. A sum belongs to an elementary functional at the target (`left`). The
/// derivatives of a tile stay in the nearest cache and no block of the matrix is ever stored. A sum
/// depends on the target and the tile alone.
class TileSums {
 public:
  static constexpr std::size_t size = 256;  ///< points of a tile, padded with some of no strength

  /// Throws Error{usage} as check() does.
  TileSums(const Kernel& kernel, int dimension);

  const Basis& basis() const noexcept { return basis_; }
  /// Laplacians are a functional of their own; otherwise they are sums of second derivatives.
  bool isotropic() const noexcept { return derivatives_.isotropic(); }

  /// Local. Elements of Basis in use at targets and sources, and the number of vectors, 1 or 8.
  /// Throws Error{usage} when functions drawn from the prior do not have such derivatives.
  void choose(std::vector<std::size_t> left, std::vector<std::size_t> right, std::size_t vectors);

  /// The sign that belongs into a strength: odd derivatives in y change it, z being x - y.
  double sign(std::size_t element) const noexcept { return basis_.order(element) == 1 ? -1 : 1; }

  /// Numbers in the strengths of one tile, [right][vector][point].
  std::size_t strengths() const noexcept { return right_.size() * vectors_ * size; }
  std::size_t sums() const noexcept { return left_.size() * vectors_; }
  /// About what one pair of points costs.
  double flops() const noexcept { return flops_; }

  /// sums[left][vector] at x. `y`: coordinates of the tile by axis; all on cache lines.
  void at(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
          const double* strengths, double* sums);

 private:
  void check_order(std::size_t element) const;
  template <std::size_t Vectors, std::size_t Chains>
  void contract(std::size_t left, const double* strengths, double* sums) const;

  Basis basis_;
  int smoothness_;
  Derivatives derivatives_;
  std::vector<std::vector<std::size_t>> slot_;  ///< [element][element]
  std::vector<std::size_t> left_, right_;
  std::size_t vectors_ = 1;
  double flops_ = 0;
  Derivatives::Request request_;
  std::vector<points::AlignedVector<double>> derivative_;  ///< [slot][point]
  std::vector<double*> target_;                            ///< [slot] start of derivative_
};

}  // namespace mensura::gp
