// SPDX-License-Identifier: BSD-3-Clause
#include "gp/quadrature.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

namespace mensura::gp {

namespace {

// Gauss-Legendre points on [-1, 1] with weights of sum one: roots of the Legendre polynomial by
// Newton's iteration (Abramowitz and Stegun 25.4.29).
struct Gauss {
  std::vector<double> x, weight;

  explicit Gauss(int count) {
    for (int i = 0; i < count; ++i) {
      double root = -std::cos(std::numbers::pi * (i + 0.75) / (count + 0.5)), slope = 1;
      for (int step = 0; step < 10; ++step) {
        double before = 1, now = root;
        for (int k = 2; k <= count; ++k) {
          before = std::exchange(now, ((2 * k - 1) * root * now - (k - 1) * before) / k);
        }
        slope = count * (root * now - before) / (root * root - 1);
        root -= now / slope;
      }
      x.push_back(root);
      weight.push_back(1 / ((1 - root * root) * slope * slope));
    }
  }
  std::size_t size() const { return x.size(); }
};

// For means of a kernel to about 1e-6 of its variance (tests measure).
int points_for(double width, double length) {
  return std::clamp(static_cast<int>(std::ceil(4 + 3 * width / length)), 5, 40);
}

void add(MeanRule& rule, const std::array<double, 3>& x, double weight) {
  rule.nodes.insert(rule.nodes.end(), x.begin(), x.begin() + rule.dimension);
  rule.weights.push_back(weight);
}

}  // namespace

MeanRule box_mean(std::span<const double> widths, std::span<const double> lengths) {
  MeanRule rule;
  rule.dimension = static_cast<int>(widths.size());
  std::vector<Gauss> axes;
  std::size_t total = 1;
  for (std::size_t a = 0; a < widths.size(); ++a) {
    axes.emplace_back(points_for(widths[a], lengths[a]));
    total *= axes.back().size();
  }
  for (std::size_t i = 0; i < total; ++i) {
    std::array<double, 3> x{};
    double weight = 1;
    std::size_t rest = i;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const std::size_t place = rest % axes[a].size();
      rest /= axes[a].size();
      x[a] = widths[a] / 2 * axes[a].x[place];
      weight *= axes[a].weight[place];
    }
    add(rule, x, weight);
  }
  for (std::size_t corner = 0; corner < (std::size_t{1} << widths.size()); ++corner) {
    for (std::size_t a = 0; a < widths.size(); ++a) {
      rule.extremes.push_back((corner >> a & 1U) != 0 ? widths[a] / 2 : -widths[a] / 2);
    }
  }
  return rule;
}

MeanRule ball_mean(int dimension, double radius, double length) {
  const std::array<double, 1> width{2 * radius}, lengths{length};
  if (dimension == 1) return box_mean(width, lengths);
  MeanRule rule;
  rule.dimension = dimension;
  const int along = points_for(2 * radius, length);
  const Gauss radial((along + 1) / 2 + 1), polar(dimension == 3 ? along : 1);
  const int angles = 2 * along;
  for (std::size_t i = 0; i < radial.size(); ++i) {
    // On [0, 1], where the volume grows like s^d.
    const double s = (radial.x[i] + 1) / 2, r = radius * s;
    const double weight = radial.weight[i] * dimension * std::pow(s, dimension - 1);
    for (std::size_t j = 0; j < polar.size(); ++j) {
      const double cosine = dimension == 3 ? polar.x[j] : 0;
      const double sine = std::sqrt(1 - cosine * cosine);
      for (int k = 0; k < angles; ++k) {
        const double angle = 2 * std::numbers::pi * (k + 0.5) / angles;
        add(rule, {r * sine * std::cos(angle), r * sine * std::sin(angle), r * cosine},
            weight * polar.weight[j] / angles);
      }
    }
  }
  for (int a = 0; a < dimension; ++a) {
    for (const double end : {-radius, radius}) {
      std::array<double, 3> x{};
      x[static_cast<std::size_t>(a)] = end;
      rule.extremes.insert(rule.extremes.end(), x.begin(), x.begin() + dimension);
    }
  }
  return rule;
}

}  // namespace mensura::gp
