// SPDX-License-Identifier: BSD-3-Clause
#include "gp/radial.hpp"

#include <cmath>

#include "linear/exponential.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {
namespace {

using Polynomial = std::array<double, 6>;

Polynomial times_square(const Polynomial& p) {
  return {0, 0, p[0], p[1], p[2], p[3]};
}

/// Reverse Bessel polynomials theta_0 = 1, theta_1 = 1 + s, theta_q = (2q - 1) theta_{q-1} + s^2
/// theta_{q-2}; zero for q < 0.
Polynomial theta(int q) {
  if (q < 0) return {};
  if (q == 0) return {1};
  if (q == 1) return {1, 1};
  Polynomial result = times_square(theta(q - 2));
  const Polynomial before = theta(q - 1);
  for (std::size_t k = 0; k < result.size(); ++k) result[k] += (2 * q - 1) * before[k];
  return result;
}

/// s^2 theta_q, finite down to q = -1.
Polynomial square_theta(int q) {
  return q == -1 ? Polynomial{0, 1} : times_square(theta(q));
}

/// s^4 theta_q, finite down to q = -2.
Polynomial fourth_theta(int q) {
  return q == -2 ? Polynomial{0, 1, 1} : times_square(square_theta(q));
}

void set(Polynomial& target, double factor, const Polynomial& p) {
  for (std::size_t k = 0; k < target.size(); ++k) target[k] = factor * p[k];
}

// Beyond it exp(-u) is zero, and the polynomials are still finite.
constexpr double far = 800;

}  // namespace

RadialShape::RadialShape(Family family, double length, int dimension, double weight)
    : squared_(family == Family::gaussian) {
  if (squared_) {
    set_gaussian(1 / (length * length), dimension, weight);
  } else {
    const int p = half_order(family);
    set_matern(p, std::sqrt(2.0 * p + 1.0) / length, dimension, weight);
  }
}

void RadialShape::set_matern(int p, double a, int dimension, double weight) {
  // g_j = (-a^2)^j e^-s theta_{p-j}(s) / (2p-1)!!
  degree_ = p;
  scale_ = a;
  double c = weight;
  for (int odd = 2 * p - 1; odd > 1; odd -= 2) c /= odd;
  const double a2 = a * a, a4 = a2 * a2, d = dimension;
  const Polynomial first = theta(p - 1), second = square_theta(p - 2);
  set(coefficient_[g0], c, theta(p));
  set(coefficient_[g1], -c * a2, first);
  set(coefficient_[r2g2], c * a2, second);
  for (std::size_t k = 0; k < first.size(); ++k) {
    coefficient_[lap][k] = c * a2 * (second[k] - d * first[k]);
  }
  if (p < 2) return;
  const Polynomial third = square_theta(p - 3), fourth = fourth_theta(p - 4);
  set(coefficient_[g2], c * a4, theta(p - 2));
  set(coefficient_[r2g3], -c * a4, third);
  set(coefficient_[r4g4], c * a4, fourth);
  const Polynomial plain = theta(p - 2);
  for (std::size_t k = 0; k < plain.size(); ++k) {
    coefficient_[bil][k] = c * a4 * (d * (d + 2) * plain[k] - 2 * (d + 2) * third[k] + fourth[k]);
  }
}

void RadialShape::set_gaussian(double scale, int dimension, double weight) {
  // g_j = (-b)^j exp(-b r^2 / 2), u = b r^2
  degree_ = 2;
  scale_ = scale;
  const double w = weight, b = scale, d = dimension;
  coefficient_[g0] = {w};
  coefficient_[lap] = {-w * b * d, w * b};
  coefficient_[bil] = {w * b * b * d * (d + 2), -w * b * b * 2 * (d + 2), w * b * b};
  coefficient_[g1] = {-w * b};
  coefficient_[g2] = {w * b * b};
  coefficient_[r2g2] = {0, w * b};
  coefficient_[r2g3] = {0, -w * b * b};
  coefficient_[r4g4] = {0, 0, w * b * b};
}

template <int Degree, bool Squared, std::size_t Count>
inline void RadialShape::evaluate(const Eight& r, const Eight& square, Eight* out) const {
  const Eight scaled = (Squared ? square : r) * all(scale_);
  const Eight u = at_most(scaled, Squared ? 2 * far : far);
  const Eight decay = exponential((Squared ? -0.5 : -1.0) * u);
#pragma GCC unroll 8
  for (std::size_t c = 0; c < Count; ++c) {
    Eight p = all(coefficient_[c][Degree]);
#pragma GCC unroll 8
    for (int k = Degree - 1; k >= 0; --k) {
      p = fused(p, u, all(coefficient_[c][static_cast<std::size_t>(k)]));
    }
    out[c] = p * decay;
  }
}

namespace {

Channels evaluate_shape(const RadialShape& shape, const Eight& r, const Eight& square) {
  Channels out;
  if (shape.squared()) {
    shape.evaluate<2, true, channels>(r, square, out.at);
    return out;
  }
  switch (shape.degree()) {
    case 1:
      shape.evaluate<1, false, channels>(r, square, out.at);
      break;
    case 2:
      shape.evaluate<2, false, channels>(r, square, out.at);
      break;
    case 3:
      shape.evaluate<3, false, channels>(r, square, out.at);
      break;
    case 4:
      shape.evaluate<4, false, channels>(r, square, out.at);
      break;
    default:
      shape.evaluate<5, false, channels>(r, square, out.at);
      break;
  }
  return out;
}

/// Leibniz for (1/r) d/dr, each line times the power of r that keeps it finite. lap and bil follow
/// at the end.
Channels product(const Channels& a, const Channels& b, const Eight& square) {
  Channels c;
  c[g0] = a[g0] * b[g0];
  c[g1] = a[g0] * b[g1] + a[g1] * b[g0];
  const Eight a_r2g1 = square * a[g1], b_r2g1 = square * b[g1];
  c[g2] = a[g0] * b[g2] + 2.0 * (a[g1] * b[g1]) + a[g2] * b[g0];
  c[r2g2] = a[g0] * b[r2g2] + 2.0 * (a_r2g1 * b[g1]) + a[r2g2] * b[g0];
  c[r2g3] = a[g0] * b[r2g3] + 3.0 * (a[g1] * b[r2g2] + a[r2g2] * b[g1]) + a[r2g3] * b[g0];
  c[r4g4] = a[g0] * b[r4g4] + 4.0 * (a_r2g1 * b[r2g3] + a[r2g3] * b_r2g1) +
            6.0 * (a[r2g2] * b[r2g2]) + a[r4g4] * b[g0];
  return c;
}

template <int Degree, bool Squared>
void evaluate_array(const RadialShape& shape, const double* square, std::size_t n,
                    std::array<double*, 3> out) {
  for (std::size_t i = 0; i < n; i += 8) {
    const Eight r2 = load(square + i);
    Eight result[3];
    shape.evaluate<Degree, Squared, 3>(Squared ? r2 : root(r2), r2, result);
    store(result[g0], out[g0] + i);
    store(result[lap], out[lap] + i);
    store(result[bil], out[bil] + i);
  }
}

}  // namespace

void RadialFunction::add(const std::vector<Part>& factors, double weight) {
  parallel::require(!factors.empty(), "a product of radial factors has at least one");
  std::vector<RadialShape> shapes;
  for (const Part& part : factors) {
    shapes.emplace_back(part.family, part.length, dimension_, shapes.empty() ? weight : 1.0);
  }
  products_.push_back(std::move(shapes));
}

Channels RadialFunction::evaluate(const Eight& r, const Eight& square) const {
  if (products_.size() == 1 && products_[0].size() == 1) {
    return evaluate_shape(products_[0][0], r, square);
  }
  Channels sum{};
  for (const auto& shapes : products_) {
    Channels term = evaluate_shape(shapes[0], r, square);
    for (std::size_t k = 1; k < shapes.size(); ++k) {
      term = product(term, evaluate_shape(shapes[k], r, square), square);
    }
    for (std::size_t c = 0; c < channels; ++c) sum[c] = sum[c] + term[c];
  }
  const double d = dimension_;
  sum[lap] = d * sum[g1] + sum[r2g2];
  sum[bil] = (d * (d + 2)) * sum[g2] + (2 * (d + 2)) * sum[r2g3] + sum[r4g4];
  return sum;
}

void RadialFunction::evaluate(const double* square, std::size_t n,
                              std::array<double*, 3> out) const {
  if (products_.size() == 1 && products_[0].size() == 1) {
    const RadialShape& shape = products_[0][0];
    if (shape.squared()) return evaluate_array<2, true>(shape, square, n, out);
    switch (shape.degree()) {
      case 1:
        return evaluate_array<1, false>(shape, square, n, out);
      case 2:
        return evaluate_array<2, false>(shape, square, n, out);
      case 3:
        return evaluate_array<3, false>(shape, square, n, out);
      case 4:
        return evaluate_array<4, false>(shape, square, n, out);
      default:
        return evaluate_array<5, false>(shape, square, n, out);
    }
  }
  for (std::size_t i = 0; i < n; i += 8) {
    const Eight r2 = load(square + i);
    const Channels all_channels = evaluate(root(r2), r2);
    for (std::size_t c = 0; c < 3; ++c) store(all_channels[c], out[c] + i);
  }
}

}  // namespace mensura::gp
