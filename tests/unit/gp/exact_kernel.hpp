// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "functional_rows.hpp"
#include "gp/kernel.hpp"

namespace mensura::test {

/// 113 bits: difference quotients of fourth order with steps of 1e-4 keep 15 digits.
__extension__ typedef __float128 Quad;
using QuadPoint = std::array<Quad, 3>;

inline Quad quad_root(Quad x) {
  if (x <= 0) return 0;
  Quad y = std::sqrt(static_cast<double>(x));
  for (int i = 0; i < 3; ++i) y = (y + x / y) / 2;
  return y;
}

inline Quad quad_exp(Quad x) {
  const Quad small = x / 1024;
  Quad sum = 1, term = 1;
  for (int k = 1; k < 22; ++k) {
    term *= small / k;
    sum += term;
  }
  for (int i = 0; i < 10; ++i) sum *= sum;
  return sum;
}

/// theta_q(s), q from -2: reverse Bessel polynomials and their continuation.
inline Quad bessel(int q, Quad s) {
  if (q == -2) return (1 + s) / (s * s * s);
  if (q == -1) return 1 / s;
  Quad before = 1 / s, theta = 1;
  for (int k = 1; k <= q; ++k) {
    const Quad next = k == 1 ? 1 + s : (2 * k - 1) * theta + s * s * before;
    before = theta;
    theta = next;
  }
  return theta;
}

/// g_j at distance r > 0 (j = 0 also at 0) for length one, by the closed form of the family.
inline Quad radial_function(gp::Family family, int j, Quad r) {
  const Quad sign = j % 2 == 0 ? 1 : -1;
  if (family == gp::Family::gaussian) return sign * quad_exp(-r * r / 2);
  const int p = static_cast<int>(family) + 1;
  Quad factor = sign;
  for (int odd = 2 * p - 1; odd > 1; odd -= 2) factor /= odd;
  for (int i = 0; i < j; ++i) factor *= 2 * p + 1;
  const Quad s = quad_root(Quad(2 * p + 1)) * r;
  return factor * quad_exp(-s) * bessel(p - j, s);
}

/// The kernel itself, as its declaration says.
inline Quad exact_kernel(const gp::Kernel& kernel, int dimension, const QuadPoint& z) {
  Quad sum = 0;
  for (const gp::KernelTerm& term : kernel.terms) {
    Quad product = term.weight;
    for (const gp::RadialFactor& factor : term.factors) {
      Quad square = 0;
      for (int axis = 0; axis < dimension; ++axis) {
        const auto i = static_cast<std::size_t>(axis);
        bool sees = factor.axes.empty();
        for (const int a : factor.axes) sees = sees || a == axis;
        const Quad scaled = z[i] / Quad(factor.length[factor.length.size() == 1 ? 0 : i]);
        if (sees) square += scaled * scaled;
      }
      product *= radial_function(factor.family, 0, quad_root(square));
    }
    sum += product;
  }
  return sum;
}

/// A functional as a weighted sum of values at shifted points: central differences of fourth order.
struct Stencil {
  std::vector<QuadPoint> shift;
  std::vector<Quad> weight;
};

inline void add_derivative(Stencil& stencil, std::vector<std::size_t> axes, Quad factor, Quad h) {
  static const std::array<int, 4> at{-2, -1, 1, 2};
  static const std::array<Quad, 4> first{Quad(1) / 12, Quad(-2) / 3, Quad(2) / 3, Quad(-1) / 12};
  static const std::array<int, 5> at2{-2, -1, 0, 1, 2};
  static const std::array<Quad, 5> second{Quad(-1) / 12, Quad(4) / 3, Quad(-5) / 2, Quad(4) / 3,
                                          Quad(-1) / 12};
  if (factor == 0) return;
  if (axes.size() == 2 && axes[0] == axes[1]) {
    for (std::size_t m = 0; m < 5; ++m) {
      stencil.shift.emplace_back()[axes[0]] = at2[m] * h;
      stencil.weight.push_back(factor * second[m] / (h * h));
    }
    return;
  }
  for (std::size_t m = 0; m < 4; ++m) {
    for (std::size_t n = 0; n < (axes.size() == 2 ? 4U : 1U); ++n) {
      QuadPoint& shift = stencil.shift.emplace_back();
      shift[axes[0]] = at[m] * h;
      Quad weight = factor * first[m] / h;
      if (axes.size() == 2) {
        shift[axes[1]] = at[n] * h;
        weight *= first[n] / h;
      }
      stencil.weight.push_back(weight);
    }
  }
}

inline Stencil stencil_of(int dimension, const Functional& f, Quad h) {
  Stencil stencil;
  stencil.shift.emplace_back();
  stencil.weight.push_back(f.value);
  const auto d = static_cast<std::size_t>(dimension);
  std::size_t entry = 0;
  for (std::size_t i = 0; i < d; ++i) {
    add_derivative(stencil, {i}, f.gradient[i], h);
    add_derivative(stencil, {i, i}, f.laplacian, h);
    for (std::size_t j = i; j < d; ++j) add_derivative(stencil, {i, j}, f.hessian[entry++], h);
  }
  return stencil;
}

/// k(f at x, g at y) by difference quotients.
inline double difference_entry(const gp::Kernel& kernel, int dimension, const Point& x,
                               const Functional& f, const Point& y, const Functional& g) {
  const Quad h = Quad(1) / 32768;
  const Stencil left = stencil_of(dimension, f, h), right = stencil_of(dimension, g, h);
  Quad sum = 0;
  for (std::size_t i = 0; i < left.shift.size(); ++i) {
    for (std::size_t j = 0; j < right.shift.size(); ++j) {
      QuadPoint z{};
      for (std::size_t axis = 0; axis < 3; ++axis) {
        z[axis] = (Quad(x[axis]) + left.shift[i][axis]) - (Quad(y[axis]) + right.shift[j][axis]);
      }
      sum += left.weight[i] * right.weight[j] * exact_kernel(kernel, dimension, z);
    }
  }
  return static_cast<double>(sum);
}

/// Partial derivatives of g(|z|) as sums of monomials times g_j, from d_i (z^b g_j) = b_i z^(b-e_i)
/// g_j + z^(b+e_i) g_{j+1}: valid at any distance r > 0, however small, in Quad.
class RadialDerivatives {
 public:
  RadialDerivatives(gp::Family family, double length, const QuadPoint& z)
      : family_(family), length_(length) {
    Quad square = 0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      z_[axis] = z[axis] / length_;
      square += z_[axis] * z_[axis];
    }
    r_ = quad_root(square);
  }

  Quad operator()(const std::array<int, 3>& alpha) const {
    std::map<std::array<int, 4>, Quad> terms{{{0, 0, 0, 0}, 1}};
    Quad scale = 1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      for (int k = 0; k < alpha[axis]; ++k) {
        terms = differentiate(terms, axis);
        scale /= length_;
      }
    }
    Quad sum = 0;
    for (const auto& [key, factor] : terms) {
      Quad term = factor * radial_function(family_, key[3], r_);
      for (std::size_t axis = 0; axis < 3; ++axis) {
        for (int k = 0; k < key[axis]; ++k) term *= z_[axis];
      }
      sum += term;
    }
    return sum * scale;
  }

 private:
  using Terms = std::map<std::array<int, 4>, Quad>;

  static Terms differentiate(const Terms& terms, std::size_t axis) {
    Terms result;
    for (const auto& [key, factor] : terms) {
      auto raised = key;
      ++raised[axis];
      ++raised[3];
      result[raised] += factor;
      if (key[axis] == 0) continue;
      auto lowered = key;
      --lowered[axis];
      result[lowered] += factor * key[axis];
    }
    return result;
  }

  gp::Family family_;
  Quad length_, r_ = 0;
  QuadPoint z_{};
};

/// Derivative orders and weights of a functional's parts.
inline std::vector<std::pair<std::array<int, 3>, double>> parts_of(int dimension,
                                                                   const Functional& f) {
  std::vector<std::pair<std::array<int, 3>, double>> parts;
  parts.push_back({{}, f.value});
  std::size_t entry = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(dimension); ++i) {
    std::array<int, 3> once{}, twice{};
    once[i] = 1;
    twice[i] = 2;
    parts.push_back({once, f.gradient[i]});
    parts.push_back({twice, f.laplacian});
    for (std::size_t j = i; j < static_cast<std::size_t>(dimension); ++j) {
      auto both = once;
      ++both[j];
      parts.push_back({both, f.hessian[entry++]});
    }
  }
  std::erase_if(parts, [](const auto& part) { return part.second == 0; });
  return parts;
}

/// k(f at x, g at y) of one isotropic factor from the closed form; x and y differ.
inline double closed_entry(gp::Family family, double length, int dimension, const Point& x,
                           const Functional& f, const Point& y, const Functional& g) {
  QuadPoint z{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(dimension); ++i) {
    z[i] = Quad(x[i]) - Quad(y[i]);
  }
  const RadialDerivatives derivatives(family, length, z);
  Quad sum = 0;
  for (const auto& [left, a] : parts_of(dimension, f)) {
    for (const auto& [right, b] : parts_of(dimension, g)) {
      std::array<int, 3> total{};
      int order = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        total[i] = left[i] + right[i];
        order += right[i];
      }
      sum += (order % 2 == 0 ? 1 : -1) * Quad(a) * Quad(b) * derivatives(total);
    }
  }
  return static_cast<double>(sum);
}

}  // namespace mensura::test
