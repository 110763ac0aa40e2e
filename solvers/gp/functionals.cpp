// SPDX-License-Identifier: BSD-3-Clause
#include "gp/functionals.hpp"

#include <algorithm>

#include "parallel/error.hpp"

namespace mensura::gp {
namespace {

std::size_t padded(std::size_t n) {
  return (n + 7) / 8 * 8;
}

/// Hessian entry of the second derivative along an axis: 0 | 0, 2 | 0, 3, 5.
std::size_t diagonal_entry(int dimension, int axis) {
  return static_cast<std::size_t>(axis * dimension - axis * (axis - 1) / 2);
}

bool any(const std::vector<double>& weights) {
  return std::any_of(weights.begin(), weights.end(), [](double w) { return w != 0; });
}

}  // namespace

Basis::Basis(int dimension_in_space) : dimension(dimension_in_space) {}

void Functionals::assign(const Rows& rows, const Basis& basis,
                         std::span<const bool> split_laplacian) {
  parallel::require(rows.dimension == basis.dimension, "rows have the dimension of the covariance");
  rows_ = rows.rows();
  points_ = rows.points();
  set_points(rows);
  set_columns(rows, basis, split_laplacian[0], fields_[0]);
  if (split_laplacian.size() > 1) {
    set_columns(rows.second, basis, split_laplacian[1], fields_[1]);
    return;
  }
  bool none = true;
  each_kind_of_field([&](const std::vector<double>& w) { none = none && !any(w); }, rows.second);
  parallel::require(none, "rows of a second unknown come with its prior");
}

void Functionals::set_points(const Rows& rows) {
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(rows.dimension); ++axis) {
    parallel::require(rows.coordinate[axis].size() == points_, "every axis has every point");
    auto& coordinate = coordinate_[axis];
    coordinate.assign(rows.coordinate[axis].begin(), rows.coordinate[axis].end());
    coordinate.resize(padded(points_), points_ == 0 ? 0.0 : coordinate.back());
  }
  point_.assign(rows.point.begin(), rows.point.end());
  point_.resize(padded(rows_), rows_ == 0 ? 0 : rows.point.back());
  within_.resize(point_.size());
  identity_ = rows_ == points_;
  dense_ = true;
  std::int32_t before = 0;
  for (std::size_t r = 0; r < point_.size(); ++r) {
    const std::int32_t here = point_[r];
    parallel::require(here >= before && (r >= rows_ || static_cast<std::size_t>(here) < points_),
                      "rows come in the order of their points");
    before = here;
    const std::int32_t base = point_[r / 8 * 8];
    dense_ = dense_ && here - base < 8;
    within_[r] = here - base / 8 * 8;
    identity_ = identity_ && (r >= rows_ || static_cast<std::size_t>(here) == r);
  }
}

void Functionals::set_columns(const FieldWeights& from, const Basis& basis, bool split_laplacian,
                              Columns& columns) const {
  auto& active = columns.active;
  auto& column = columns.column;
  const auto set = [&](std::size_t element, const std::vector<double>& weights) {
    parallel::require(weights.empty() || weights.size() == rows_, "every row has its weight");
    active[element] = any(weights);
    if (!active[element]) return;
    column[element].assign(weights.begin(), weights.end());
    column[element].resize(padded(rows_), 0.0);
  };
  set(Basis::value, from.value);
  set(Basis::laplacian, from.laplacian);
  for (int axis = 0; axis < basis.dimension; ++axis) {
    set(basis.gradient(axis), from.gradient[static_cast<std::size_t>(axis)]);
  }
  for (int entry = 0; entry < basis.hessian_entries(); ++entry) {
    set(basis.hessian(entry), from.hessian[static_cast<std::size_t>(entry)]);
  }
  if (!split_laplacian || !active[Basis::laplacian]) return;
  active[Basis::laplacian] = false;
  for (int axis = 0; axis < basis.dimension; ++axis) {
    const auto element = basis.hessian(static_cast<int>(diagonal_entry(basis.dimension, axis)));
    auto& diagonal = column[element];
    if (!active[element]) diagonal.assign(padded(rows_), 0.0);
    active[element] = true;
    for (std::size_t r = 0; r < rows_; ++r) diagonal[r] += column[Basis::laplacian][r];
  }
}

void Functionals::spread(const double* from, std::size_t first_point, std::size_t begin,
                         std::size_t end, double* to) const {
#if defined(__AVX512F__)
  if (dense_) {
    for (std::size_t r = begin; r < end; r += 8) {
      // Two aligned loads: a straddling one would wait for the stores that just wrote these lines.
      const auto base = (static_cast<std::size_t>(point_[r]) - first_point) / 8 * 8;
      const auto within = *reinterpret_cast<const RegisterBits*>(within_.data() + r);
      const Register low = load(from + base).a, high = load(from + base + 8).a;
      store({__builtin_shuffle(low, high, within)}, to + (r - begin));
    }
    return;
  }
#endif
  for (std::size_t r = begin; r < end; ++r) {
    to[r - begin] = from[static_cast<std::size_t>(point_[r]) - first_point];
  }
}

}  // namespace mensura::gp
