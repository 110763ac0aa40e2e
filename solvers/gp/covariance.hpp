// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gp/kernel.hpp"
#include "gp/weights.hpp"

namespace mensura::gp {

/// A set of linear functionals at points, as structure of arrays: row r acts at point point[r] with
/// its weights (Functional). Rows of one point are adjacent (point[] does not decrease). Weights
/// that no row has are left empty.
struct Rows : RowWeights {
  int dimension = 0;
  std::array<std::vector<double>, 3> coordinate;  ///< [axis][point]
  std::vector<std::int32_t> point;                ///< [row]

  std::size_t points() const noexcept { return coordinate[0].size(); }
  std::size_t rows() const noexcept { return point.size(); }
  void clear();  ///< forgets points and rows, keeps memory
};

/// Covariances k(phi_i, phi_j) of functionals under a prior, all derivatives from five radial
/// functions (g_{j+1} = (1/r) d g_j / dr); one square root and one exponential per pair of points
/// and radial factor; the sum over both unknown fields where there are two. Results depend on the
/// functionals only, entry by entry: the same bits in any block, whatever the number of rows around
/// them. Keeps workspace: one object per thread.
class Covariance {
 public:
  /// Throws Error{usage} for lengths that do not fit the dimension.
  Covariance(const Prior& prior, int dimension);
  Covariance(Kernel kernel, int dimension) : Covariance(Prior(std::move(kernel)), dimension) {}
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
  class Field;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mensura::gp
