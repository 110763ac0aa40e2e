// SPDX-License-Identifier: BSD-3-Clause
#include "gp/covariance.hpp"

#include <algorithm>

#include "gp/contraction.hpp"
#include "gp/derivatives.hpp"
#include "gp/functionals.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {
namespace {

// Rows of b at a time: what one point of a needs of them stays in the nearest caches.
constexpr std::size_t tile = 256;

std::size_t padded(std::size_t n) {
  return (n + 7) / 8 * 8;
}

}  // namespace

void Rows::clear() {
  for (auto& axis : coordinate) axis.clear();
  point.clear();
  value.clear();
  laplacian.clear();
  for (auto& weights : gradient) weights.clear();
  for (auto& weights : hessian) weights.clear();
}

struct Covariance::State {
  State(const Kernel& kernel, int dimension_in_space)
      : dimension(dimension_in_space),
        smoothness(mean_square_derivatives(kernel)),
        derivatives(kernel, dimension_in_space),
        basis(dimension_in_space),
        pairs(all_pairs(basis, derivatives.slots())),
        derivative(static_cast<std::size_t>(derivatives.slots().count())),
        expanded(derivative.size()) {}

  void block(const Functionals& a, const Functionals& b, bool upper, double* out,
             std::size_t stride, const std::function<void(std::size_t)>& did);

  int dimension;
  int smoothness;
  Derivatives derivatives;
  Basis basis;
  std::vector<Pair> pairs;
  Functionals left, right;

 private:
  struct Range {  ///< of rows of b
    std::size_t begin, end;
  };
  void check_order(const Functionals& f) const;
  void select(const Functionals& a, const Functionals& b);
  void reserve(std::size_t points);
  void tile_rows(const Functionals& a, const Functionals& b, Range columns, bool upper, double* out,
                 std::size_t stride);
  void expand(const Functionals& b, std::size_t first_point, Range columns);
  void list_summands(std::size_t row, std::size_t begin);

  /// A pair with weights on both sides: columns of the left element in a and the right one in b,
  /// and the other way round; null where one of the two has none (or for the mirror of equals).
  struct Selected {
    std::size_t slot;
    double sign_left, sign_right;
    const double *a_left, *b_right;
    const double *a_right, *b_left;
  };
  std::vector<Selected> selected;
  Derivatives::Request request;
  std::vector<points::AlignedVector<double>> derivative;  ///< [slot][point of the tile]
  std::vector<points::AlignedVector<double>> expanded;    ///< [slot][row of the tile]
  std::vector<double*> target;                            ///< [slot] start of derivative
  std::vector<const double*> source;                      ///< [slot] per row of the tile
  std::vector<Summand> summands;
};

void Covariance::State::check_order(const Functionals& f) const {
  if (smoothness >= 2) return;
  for (std::size_t element = 0; element < basis.count(); ++element) {
    if (f.active(element) && basis.order(element) > smoothness) {
      throw parallel::Error(parallel::ExitCode::usage,
                            "prior: functions drawn from it have one derivative, but second "
                            "derivatives are asked for; choose matern_5_2 or smoother");
    }
  }
}

/// Which derivatives the weights of both sides ask for.
void Covariance::State::select(const Functionals& a, const Functionals& b) {
  check_order(a);
  check_order(b);
  selected.clear();
  request.order = 0;
  request.partials = false;
  request.wanted.assign(derivative.size(), 0);
  const auto laplacian = static_cast<std::size_t>(derivatives.slots().laplacian());
  for (const Pair& pair : pairs) {
    const bool straight = a.active(pair.left) && b.active(pair.right);
    const bool mirrored = pair.left != pair.right && a.active(pair.right) && b.active(pair.left);
    if (!straight && !mirrored) continue;
    selected.push_back(
        {pair.slot, pair.sign_left, pair.sign_right, straight ? a.weights(pair.left) : nullptr,
         straight ? b.weights(pair.right) : nullptr, mirrored ? a.weights(pair.right) : nullptr,
         mirrored ? b.weights(pair.left) : nullptr});
    request.order = std::max(request.order, pair.order);
    request.wanted[pair.slot] = 1;
    if (pair.slot != 0 && pair.slot != laplacian && pair.slot != laplacian + 1) {
      request.partials = true;
    }
  }
  if (!derivatives.isotropic()) request.partials = true;
}

void Covariance::State::reserve(std::size_t points) {
  target.resize(derivative.size());
  source.resize(derivative.size());
  const auto laplacian = static_cast<std::size_t>(derivatives.slots().laplacian());
  for (std::size_t slot = 0; slot < derivative.size(); ++slot) {
    const bool always = slot == 0 || slot == laplacian || slot == laplacian + 1;
    if (!always && !request.wanted[slot]) continue;
    // Eight more: spreading reads, and does not use, behind the last point.
    if (derivative[slot].size() < points + 8) derivative[slot].resize(points + 8);
    if (expanded[slot].size() < tile) expanded[slot].resize(tile);
    target[slot] = derivative[slot].data();
  }
}

void Covariance::State::block(const Functionals& a, const Functionals& b, bool upper, double* out,
                              std::size_t stride, const std::function<void(std::size_t)>& did) {
  parallel::require(stride >= padded(b.rows()), "the stride of a block holds the padded row");
  select(a, b);
  for (std::size_t begin = 0; begin < b.rows(); begin += tile) {
    tile_rows(a, b, {begin, std::min(begin + tile, padded(b.rows()))}, upper, out, stride);
    if (did) did(std::min(begin + tile, b.rows()));
  }
}

void Covariance::State::tile_rows(const Functionals& a, const Functionals& b, Range columns,
                                  bool upper, double* out, std::size_t stride) {
  const std::size_t last = b.point(std::min(columns.end, b.rows()) - 1);
  reserve(padded(last + 1 - b.point(columns.begin) / 8 * 8));
  const std::size_t rows = upper ? std::min(a.rows(), columns.end) : a.rows();
  for (std::size_t row = 0; row < rows;) {
    const std::size_t point = a.point(row);
    std::size_t next = row + 1;
    while (next < rows && a.point(next) == point) ++next;
    // Vector loads begin at a multiple of eight.
    Range here = columns;
    if (upper) here.begin = std::max(here.begin, row / 8 * 8);
    const std::size_t first = b.point(here.begin) / 8 * 8;
    const std::size_t needed = padded(last + 1 - first);
    std::array<double, 3> x{};
    std::array<const double*, 3> y{};
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(dimension); ++axis) {
      x[axis] = a.coordinate(axis)[point];
      y[axis] = b.coordinate(axis) + first;
    }
    derivatives.evaluate(x, y, needed, request, target);
    expand(b, first, here);
    for (; row < next; ++row) {
      list_summands(row, here.begin);
      contract(summands, here.end - here.begin, out + row * stride + here.begin);
    }
  }
}

/// From points to rows of b.
void Covariance::State::expand(const Functionals& b, std::size_t first_point, Range columns) {
  for (std::size_t slot = 0; slot < request.wanted.size(); ++slot) {
    if (!request.wanted[slot]) continue;
    if (b.one_row_per_point()) {
      source[slot] = target[slot];
    } else {
      b.spread(target[slot], first_point, columns.begin, columns.end, expanded[slot].data());
      source[slot] = expanded[slot].data();
    }
  }
}

void Covariance::State::list_summands(std::size_t row, std::size_t begin) {
  summands.clear();
  for (const Selected& pair : selected) {
    const double first = pair.a_left == nullptr ? 0 : pair.sign_right * pair.a_left[row];
    const double second = pair.a_right == nullptr ? 0 : pair.sign_left * pair.a_right[row];
    const double* derivatives_of_row = source[pair.slot];
    if (first != 0 && second != 0) {
      summands.push_back(
          {derivatives_of_row, pair.b_right + begin, pair.b_left + begin, first, second});
    } else if (first != 0) {
      summands.push_back({derivatives_of_row, pair.b_right + begin, nullptr, first, 0});
    } else if (second != 0) {
      summands.push_back({derivatives_of_row, pair.b_left + begin, nullptr, second, 0});
    }
  }
}

Covariance::Covariance(Kernel kernel, int dimension)
    : state_(std::make_unique<State>(kernel, dimension)) {}
Covariance::Covariance(Covariance&&) noexcept = default;
Covariance& Covariance::operator=(Covariance&&) noexcept = default;
Covariance::~Covariance() = default;

int Covariance::dimension() const noexcept {
  return state_->dimension;
}

void Covariance::symmetric(const Rows& rows, double* block, std::size_t stride,
                           const std::function<void(std::size_t)>& did) {
  state_->left.assign(rows, state_->basis, !state_->derivatives.isotropic());
  state_->block(state_->left, state_->left, true, block, stride, did);
}

void Covariance::cross(const Rows& a, const Rows& b, double* block, std::size_t stride) {
  state_->left.assign(a, state_->basis, !state_->derivatives.isotropic());
  state_->right.assign(b, state_->basis, !state_->derivatives.isotropic());
  state_->block(state_->left, state_->right, false, block, stride, {});
}

}  // namespace mensura::gp
