// SPDX-License-Identifier: BSD-3-Clause
#include "gp/covariance.hpp"

#include <algorithm>
#include <array>
#include <span>

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
  each_kind([](std::vector<double>& weights) { weights.clear(); }, *this);
}

// One unknown field: its kernel, and the weights of both sides that see it.
class Covariance::Field {
 public:
  Field(const Kernel& kernel, int dimension, const Basis& basis, std::size_t number)
      : derivatives_(kernel, dimension),
        basis_(basis),
        number_(number),
        smoothness_(mean_square_derivatives(kernel)),
        pairs_(all_pairs(basis, derivatives_.slots())),
        derivative_(static_cast<std::size_t>(derivatives_.slots().count())),
        expanded_(derivative_.size()) {}

  struct Range {  ///< of rows of b
    std::size_t begin, end;
  };

  bool isotropic() const noexcept { return derivatives_.isotropic(); }
  void select(const Functionals& a, const Functionals& b);
  void reserve(std::size_t points);
  void evaluate(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
                std::size_t points) {
    if (!selected_.empty()) derivatives_.evaluate(x, y, points, request_, target_);
  }
  void expand(const Functionals& b, std::size_t first_point, Range columns);
  void list_summands(std::size_t row, std::size_t begin, std::vector<Summand>& summands) const;

 private:
  void check_order(const Functionals& f) const;

  /// A pair with weights on both sides: columns of the left element in a and the right one in b,
  /// and the other way round; null where one of the two has none (or for the mirror of equals).
  struct Selected {
    std::size_t slot;
    double sign_left, sign_right;
    const double *a_left, *b_right;
    const double *a_right, *b_left;
  };

  Derivatives derivatives_;
  Basis basis_;
  std::size_t number_;
  int smoothness_;
  std::vector<Pair> pairs_;
  std::vector<Selected> selected_;
  Derivatives::Request request_;
  std::vector<points::AlignedVector<double>> derivative_;  ///< [slot][point of the tile]
  std::vector<points::AlignedVector<double>> expanded_;    ///< [slot][row of the tile]
  std::vector<double*> target_;                            ///< [slot] start of derivative
  std::vector<const double*> source_;                      ///< [slot] per row of the tile
};

void Covariance::Field::check_order(const Functionals& f) const {
  if (smoothness_ >= 2) return;
  for (std::size_t element = 0; element < basis_.count(); ++element) {
    if (f.active(number_, element) && basis_.order(element) > smoothness_) {
      throw parallel::Error(parallel::ExitCode::usage,
                            "prior: functions drawn from it have one derivative, but second "
                            "derivatives are asked for; choose matern_5_2 or smoother");
    }
  }
}

/// Which derivatives the weights of both sides ask for.
void Covariance::Field::select(const Functionals& a, const Functionals& b) {
  check_order(a);
  check_order(b);
  const auto of = [&](const Functionals& f, std::size_t element) {
    return f.active(number_, element) ? f.weights(number_, element) : nullptr;
  };
  selected_.clear();
  request_.order = 0;
  request_.partials = false;
  request_.wanted.assign(derivative_.size(), 0);
  const auto laplacian = static_cast<std::size_t>(derivatives_.slots().laplacian());
  for (const Pair& pair : pairs_) {
    Selected one{pair.slot,         pair.sign_left,    pair.sign_right, of(a, pair.left),
                 of(b, pair.right), of(a, pair.right), of(b, pair.left)};
    const bool straight = one.a_left != nullptr && one.b_right != nullptr;
    const bool mirrored =
        pair.left != pair.right && one.a_right != nullptr && one.b_left != nullptr;
    if (!straight && !mirrored) continue;
    if (!straight) one.a_left = one.b_right = nullptr;
    if (!mirrored) one.a_right = one.b_left = nullptr;
    selected_.push_back(one);
    request_.order = std::max(request_.order, pair.order);
    request_.wanted[pair.slot] = 1;
    if (pair.slot != 0 && pair.slot != laplacian && pair.slot != laplacian + 1) {
      request_.partials = true;
    }
  }
  if (!derivatives_.isotropic()) request_.partials = true;
}

void Covariance::Field::reserve(std::size_t points) {
  target_.resize(derivative_.size());
  source_.resize(derivative_.size());
  const auto laplacian = static_cast<std::size_t>(derivatives_.slots().laplacian());
  for (std::size_t slot = 0; slot < derivative_.size(); ++slot) {
    const bool always = slot == 0 || slot == laplacian || slot == laplacian + 1;
    if (!always && !request_.wanted[slot]) continue;
    // Eight more: spreading reads, and does not use, behind the last point.
    if (derivative_[slot].size() < points + 8) derivative_[slot].resize(points + 8);
    if (expanded_[slot].size() < tile) expanded_[slot].resize(tile);
    target_[slot] = derivative_[slot].data();
  }
}

/// From points to rows of b.
void Covariance::Field::expand(const Functionals& b, std::size_t first_point, Range columns) {
  for (std::size_t slot = 0; slot < request_.wanted.size(); ++slot) {
    if (!request_.wanted[slot]) continue;
    if (b.one_row_per_point()) {
      source_[slot] = target_[slot];
    } else {
      b.spread(target_[slot], first_point, columns.begin, columns.end, expanded_[slot].data());
      source_[slot] = expanded_[slot].data();
    }
  }
}

void Covariance::Field::list_summands(std::size_t row, std::size_t begin,
                                      std::vector<Summand>& summands) const {
  for (const Selected& pair : selected_) {
    const double first = pair.a_left == nullptr ? 0 : pair.sign_right * pair.a_left[row];
    const double second = pair.a_right == nullptr ? 0 : pair.sign_left * pair.a_right[row];
    const double* derivatives_of_row = source_[pair.slot];
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

struct Covariance::State {
  State(const Prior& prior, int dimension_in_space)
      : dimension(dimension_in_space), basis(dimension_in_space) {
    fields.emplace_back(prior.first, dimension, basis, 0);
    if (prior.second) fields.emplace_back(*prior.second, dimension, basis, 1);
    for (std::size_t f = 0; f < fields.size(); ++f) split[f] = !fields[f].isotropic();
  }

  void assign(const Rows& rows, Functionals& functionals) const {
    functionals.assign(rows, basis, std::span(split).first(fields.size()));
  }
  void block(const Functionals& a, const Functionals& b, bool upper, double* out,
             std::size_t stride, const std::function<void(std::size_t)>& did);

  int dimension;
  Functionals left, right;

 private:
  void tile_rows(const Functionals& a, const Functionals& b, Field::Range columns, bool upper,
                 double* out, std::size_t stride);

  Basis basis;
  std::vector<Field> fields;
  std::array<bool, 2> split{};
  std::vector<Summand> summands;
};

void Covariance::State::block(const Functionals& a, const Functionals& b, bool upper, double* out,
                              std::size_t stride, const std::function<void(std::size_t)>& did) {
  parallel::require(stride >= padded(b.rows()), "the stride of a block holds the padded row");
  for (Field& field : fields) field.select(a, b);
  for (std::size_t begin = 0; begin < b.rows(); begin += tile) {
    tile_rows(a, b, {begin, std::min(begin + tile, padded(b.rows()))}, upper, out, stride);
    if (did) did(std::min(begin + tile, b.rows()));
  }
}

void Covariance::State::tile_rows(const Functionals& a, const Functionals& b, Field::Range columns,
                                  bool upper, double* out, std::size_t stride) {
  const std::size_t last = b.point(std::min(columns.end, b.rows()) - 1);
  for (Field& field : fields) field.reserve(padded(last + 1 - b.point(columns.begin) / 8 * 8));
  const std::size_t rows = upper ? std::min(a.rows(), columns.end) : a.rows();
  for (std::size_t row = 0; row < rows;) {
    const std::size_t point = a.point(row);
    std::size_t next = row + 1;
    while (next < rows && a.point(next) == point) ++next;
    // Vector loads begin at a multiple of eight.
    Field::Range here = columns;
    if (upper) here.begin = std::max(here.begin, row / 8 * 8);
    const std::size_t first = b.point(here.begin) / 8 * 8;
    const std::size_t needed = padded(last + 1 - first);
    std::array<double, 3> x{};
    std::array<const double*, 3> y{};
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(dimension); ++axis) {
      x[axis] = a.coordinate(axis)[point];
      y[axis] = b.coordinate(axis) + first;
    }
    for (Field& field : fields) {
      field.evaluate(x, y, needed);
      field.expand(b, first, here);
    }
    for (; row < next; ++row) {
      summands.clear();
      for (const Field& field : fields) field.list_summands(row, here.begin, summands);
      contract(summands, here.end - here.begin, out + row * stride + here.begin);
    }
  }
}

Covariance::Covariance(const Prior& prior, int dimension)
    : state_(std::make_unique<State>(prior, dimension)) {}
Covariance::Covariance(Covariance&&) noexcept = default;
Covariance& Covariance::operator=(Covariance&&) noexcept = default;
Covariance::~Covariance() = default;

int Covariance::dimension() const noexcept {
  return state_->dimension;
}

void Covariance::symmetric(const Rows& rows, double* block, std::size_t stride,
                           const std::function<void(std::size_t)>& did) {
  state_->assign(rows, state_->left);
  state_->block(state_->left, state_->left, true, block, stride, did);
}

void Covariance::cross(const Rows& a, const Rows& b, double* block, std::size_t stride) {
  state_->assign(a, state_->left);
  state_->assign(b, state_->right);
  state_->block(state_->left, state_->right, false, block, stride, {});
}

}  // namespace mensura::gp
