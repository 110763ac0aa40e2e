// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "gp/kernel.hpp"
#include "linear/lanes.hpp"

namespace mensura::gp {

using linear::all;
using linear::Eight;
using linear::load;
using linear::store;

/// Functions of the distance r from which all covariances follow; g_{j+1} = (1/r) d g_j / dr.
/// Third and fourth functions appear only with the powers of r that keep them finite at r = 0.
enum Channel : std::size_t {
  g0,       ///< the kernel
  lap,      ///< its Laplacian, d g1 + r^2 g2
  bil,      ///< Laplacian on both sides, d (d + 2) g2 + 2 (d + 2) r^2 g3 + r^4 g4
  g1,       ///< ...
  g2,       ///< needed from third derivatives on
  r2g2,     ///< ...
  r2g3,     ///< ...
  r4g4,     ///< ...
  channels  ///< how many
};
/// The channels at eight distances. (An own struct: templates drop the alignment of vector types.)
struct Channels {
  Eight at[channels];
  Eight& operator[](std::size_t c) { return at[c]; }
  const Eight& operator[](std::size_t c) const { return at[c]; }
};

/// One radial family with its length: every channel is a polynomial in u times exp(-u) with u = a r
/// (Matern p + 1/2, a = sqrt(2p + 1) / length) or times exp(-u / 2) with u = r^2 / length^2
/// (Gaussian). Matern 3/2 has no third derivatives: its g2, r2g3, r4g4, bil are zero and must not
/// be used.
class RadialShape {
 public:
  RadialShape(Family family, double length, int dimension, double weight);
  int degree() const noexcept { return degree_; }
  bool squared() const noexcept { return squared_; }

  /// The first `Count` channels; `r` is not read by Gaussians.
  template <int Degree, bool Squared, std::size_t Count>
  [[gnu::always_inline]] inline void evaluate(const Eight& r, const Eight& square,
                                              Eight* out) const;

 private:
  void set_matern(int p, double a, int dimension, double weight);
  void set_gaussian(double scale, int dimension, double weight);

  int degree_ = 0;
  bool squared_ = false;
  double scale_ = 1;
  std::array<std::array<double, 6>, channels> coefficient_{};  ///< [channel][power of u]
};

/// Sum of products of radial shapes of one distance: again radial, because (1/r) d/dr obeys the
/// product rule.
class RadialFunction {
 public:
  explicit RadialFunction(int dimension) : dimension_(dimension) {}
  /// Adds the product of factors (a family and its length each) times weight.
  struct Part {
    Family family;
    double length;
  };
  void add(const std::vector<Part>& factors, double weight);

  /// All channels for eight distances r and their squares.
  Channels evaluate(const Eight& r, const Eight& square) const;

  /// Channels g0, lap, bil (the first three arrays) at n squared distances, n a multiple of eight;
  /// arrays aligned to cache lines. The same bits as evaluate().
  void evaluate(const double* square, std::size_t n, std::array<double*, 3> out) const;

 private:
  int dimension_;
  std::vector<std::vector<RadialShape>> products_;
};

}  // namespace mensura::gp
