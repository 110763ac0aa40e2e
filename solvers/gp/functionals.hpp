// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gp/covariance.hpp"
#include "linear/lanes.hpp"
#include "points/aligned.hpp"

namespace mensura::gp {

using linear::all;
using linear::Eight;
using linear::load;
using linear::Register;
using linear::RegisterBits;
using linear::store;

/// The elementary functionals, of which rows are weighted sums: value, Laplacian, gradient, then
/// Hessian entries (an off-diagonal one is u_xy, once).
struct Basis {
  explicit Basis(int dimension);
  static constexpr std::size_t value = 0, laplacian = 1;
  std::size_t gradient(int axis) const noexcept { return 2 + static_cast<std::size_t>(axis); }
  std::size_t hessian(int entry) const noexcept {
    return 2 + static_cast<std::size_t>(dimension + entry);
  }
  int hessian_entries() const noexcept { return dimension * (dimension + 1) / 2; }
  std::size_t count() const noexcept { return hessian(hessian_entries()); }
  int order(std::size_t element) const noexcept {
    return element == value ? 0 : element == laplacian || element >= hessian(0) ? 2 : 1;
  }
  int dimension;
};

/// Rows laid out for vector loops: columns padded to eight with zeros, points with copies.
class Functionals {
 public:
  /// `split_laplacian`: whether Laplacians become diagonal Hessian entries, for each of the fields,
  /// one or two.
  void assign(const Rows& rows, const Basis& basis, std::span<const bool> split_laplacian);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t points() const noexcept { return points_; }
  bool active(std::size_t field, std::size_t element) const noexcept {
    return fields_[field].active[element];
  }
  const double* weights(std::size_t field, std::size_t element) const {
    return fields_[field].column[element].data();
  }
  const double* coordinate(std::size_t axis) const { return coordinate_[axis].data(); }
  std::size_t point(std::size_t row) const noexcept {
    return static_cast<std::size_t>(point_[row]);
  }
  /// Row r acts at point r.
  bool one_row_per_point() const noexcept { return identity_; }

  /// to[r - begin] = from[point of row r - first_point] for padded rows begin <= r < end; begin,
  /// end and first_point are multiples of eight. `from` is aligned, and read (not used) up to eight
  /// entries behind the last point, padded.
  void spread(const double* from, std::size_t first_point, std::size_t begin, std::size_t end,
              double* to) const;

 private:
  void set_points(const Rows& rows);
  struct Columns {
    std::array<bool, 11> active{};
    std::array<points::AlignedVector<double>, 11> column;
  };
  void set_columns(const FieldWeights& weights, const Basis& basis, bool split_laplacian,
                   Columns& columns) const;

  std::size_t rows_ = 0, points_ = 0;
  bool identity_ = false;
  bool dense_ = false;  ///< any eight padded rows act within eight successive points
  std::array<Columns, 2> fields_;
  std::array<points::AlignedVector<double>, 3> coordinate_;
  std::vector<std::int32_t> point_;  ///< [padded row]
  /// [padded row] its point, counted from the aligned eight in which its own eight rows begin
  points::AlignedVector<long long> within_;
};

}  // namespace mensura::gp
