// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gp/kernel.hpp"

namespace mensura::gp {

/// A set of linear functionals at points, as structure of arrays: row r acts at point point[r] as
///   value u + laplacian Lap u + sum_i gradient_i d_i u + sum_{i <= j} hessian_ij d_i d_j u.
/// Rows of one point are adjacent (point[] does not decrease). Weights that no row has are left
/// empty. Hessian weights come in the order xx, (1-D) | xx, xy, yy (2-D) | xx, xy, xz, yy, yz, zz
/// (3-D); an off-diagonal weight counts once (w_xy u_xy).
struct Rows {
  int dimension = 0;
  std::array<std::vector<double>, 3> coordinate;  ///< [axis][point]
  std::vector<std::int32_t> point;                ///< [row]
  std::vector<double> value;                      ///< [row] or empty
  std::vector<double> laplacian;                  ///< [row] or empty
  std::array<std::vector<double>, 3> gradient;    ///< [axis][row] or empty
  std::array<std::vector<double>, 6> hessian;     ///< [entry][row] or empty

  std::size_t points() const noexcept { return coordinate[0].size(); }
  std::size_t rows() const noexcept { return point.size(); }
  void clear();  ///< forgets points and rows, keeps memory
};

/// Covariances k(phi_i, phi_j) of functionals under a prior, all derivatives from five radial
/// functions (g_{j+1} = (1/r) d g_j / dr); one square root and one exponential per pair of points
/// and radial factor. Results depend on the functionals only, entry by entry: the same bits in any
/// block, whatever the number of rows around them. Keeps workspace: one object per thread.
class Covariance {
 public:
  /// Throws Error{usage} for lengths that do not fit the dimension.
  Covariance(Kernel kernel, int dimension);
  Covariance(Covariance&&) noexcept;
  Covariance& operator=(Covariance&&) noexcept;
  ~Covariance();

  /// block[i * stride + j] = k(phi_i, phi_j) for j >= i; the rest of the block is left alone (a few
  /// entries before the diagonal of each row, and those after its end up to a multiple of eight,
  /// may be overwritten; stride >= rows rounded up to 8). `did` is told now and then how many
  /// columns are done.
  void symmetric(const Rows& rows, double* block, std::size_t stride,
                 const std::function<void(std::size_t)>& did = {});

  /// block[i * stride + j] = k(a_i, b_j); stride >= rows of b rounded up to 8.
  void cross(const Rows& a, const Rows& b, double* block, std::size_t stride);

  int dimension() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mensura::gp
