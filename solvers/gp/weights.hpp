// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace mensura::gp {

/// A linear functional of one unknown field at a point:
///   value u + laplacian Lap u + sum_i gradient_i d_i u + sum_{i <= j} hessian_ij d_i d_j u.
/// Hessian weights come in the order xx, (1-D) | xx, xy, yy (2-D) | xx, xy, xz, yy, yz, zz (3-D);
/// an off-diagonal weight counts once (w_xy u_xy).
struct FieldFunctional {
  double value = 0;
  double laplacian = 0;
  std::array<double, 3> gradient{};
  std::array<double, 6> hessian{};
};

/// A linear functional of the unknown fields: of u and, in inverse problems, of a second one. The
/// two are independent under the prior. (No base class: equations write {.laplacian = 1}.)
struct Functional {
  double value = 0;
  double laplacian = 0;
  std::array<double, 3> gradient{};
  std::array<double, 6> hessian{};
  FieldFunctional second{};
};

/// Which weights the state rows of an equation ever use of one field, beside its value.
struct FunctionalKinds {
  bool laplacian = false, gradient = false, hessian = false;
};

/// The weights of many functionals of one field, kind by kind: one number per row, or nothing where
/// no row has any.
struct FieldWeights {
  std::vector<double> value, laplacian;
  std::array<std::vector<double>, 3> gradient;  ///< [axis]
  std::array<std::vector<double>, 6> hessian;   ///< [entry]
};

/// The weights of many functionals of the unknown fields.
struct RowWeights : FieldWeights {
  FieldWeights second;
};

/// Local. Calls visit(kind of the first set, kind of the second set, ...) for every kind of weights
/// of one field. Sets: FieldWeights, FieldFunctional.
template <class Visit, class... Sets>
void each_kind_of_field(const Visit& visit, Sets&... sets) {
  visit(sets.value...);
  visit(sets.laplacian...);
  for (std::size_t axis = 0; axis < 3; ++axis) visit(sets.gradient[axis]...);
  for (std::size_t entry = 0; entry < 6; ++entry) visit(sets.hessian[entry]...);
}

/// How often each_kind() calls.
constexpr std::size_t number_of_kinds = 22;

/// Local. The same for all fields. Sets: RowWeights, Rows, Functional.
template <class Visit, class... Sets>
void each_kind(const Visit& visit, Sets&... sets) {
  each_kind_of_field(visit, sets...);
  each_kind_of_field(visit, sets.second...);
}

/// Local. Zeros for `rows` rows in the value and the kinds of a field.
void allocate(FieldWeights& weights, const FunctionalKinds& kinds, int dimension, std::size_t rows);

/// Local. Writes one row; kinds that are not allocated are left out.
void set_row(RowWeights& weights, std::size_t row, const Functional& functional);

/// Local. Whether a row is this functional.
bool is_row(const RowWeights& weights, std::size_t row, const Functional& functional);

}  // namespace mensura::gp
