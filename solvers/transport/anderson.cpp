// SPDX-License-Identifier: BSD-3-Clause
#include "transport/anderson.hpp"

#include <cmath>
#include <utility>

namespace mensura::transport {

namespace {

Anderson::Vector difference(const Anderson::Vector& a, const Anderson::Vector& b) {
  Anderson::Vector result(a);
  for (std::size_t i = 0; i < a.size(); ++i) result[i] -= b[i];
  return result;
}

void subtract(double factor, const Anderson::Vector& other, Anderson::Vector& from) {
  for (std::size_t i = 0; i < from.size(); ++i) from[i] -= factor * other[i];
}

}  // namespace

double Anderson::product(const Vector& a, const Vector& b) const {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += weights_[i] * a[i] * b[i];
  return sum;
}

// The residual is made orthogonal to the differences of residuals, newest first, by Gram and
// Schmidt's method in its stable form; the differences of images go the same way, so that no
// triangular system is left. Differences that add nothing to the newer ones are dropped.
Anderson::Vector Anderson::next(const Vector& x, const Vector& image) {
  residuals_.push_back(difference(image, x));
  images_.push_back(image);
  if (residuals_.size() > depth_ + 1) {
    residuals_.pop_front();
    images_.pop_front();
  }
  Vector result = image, rest = residuals_.back();
  std::vector<std::pair<Vector, Vector>> basis;  // of residuals and of images, the former unit
  for (std::size_t j = residuals_.size() - 1; j-- > 0;) {
    Vector f = difference(residuals_[j + 1], residuals_[j]),
           g = difference(images_[j + 1], images_[j]);
    const double whole = std::sqrt(product(f, f));
    for (int twice = 0; twice < 2; ++twice) {
      for (const auto& [unit, along] : basis) {
        const double share = product(unit, f);
        subtract(share, unit, f);
        subtract(share, along, g);
      }
    }
    const double length = std::sqrt(product(f, f));
    constexpr double dependent = 1e-6;
    if (!(length > dependent * whole)) continue;
    for (std::size_t i = 0; i < f.size(); ++i) {
      f[i] /= length;
      g[i] /= length;
    }
    const double share = product(f, rest);
    subtract(share, f, rest);
    subtract(share, g, result);
    basis.emplace_back(std::move(f), std::move(g));
  }
  return result;
}

}  // namespace mensura::transport
