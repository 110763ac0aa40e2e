// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "gp/kernel.hpp"
#include "gp/radial.hpp"
#include "points/aligned.hpp"

namespace mensura::gp {

/// Numbers of the derivatives of a kernel in z = x - y: first the partial derivatives in the order
/// of MultiIndices, then those that contain a Laplacian.
struct Slots {
  explicit Slots(int dimension);
  int dimension;
  int partials;  ///< 5, 15 or 35
  int laplacian() const noexcept { return partials; }
  int bilaplacian() const noexcept { return partials + 1; }
  int laplacian_gradient(int axis) const noexcept { return partials + 2 + axis; }
  int laplacian_hessian(int entry) const noexcept { return partials + 2 + dimension + entry; }
  int count() const noexcept { return partials + 2 + dimension * (dimension + 3) / 2; }
};

/// Derivatives of a kernel between one point and many. Factors of proportional metrics (lengths)
/// make one radial function; what is left is multiplied as jets.
class Derivatives {
 public:
  /// Throws Error{usage} as check() does.
  Derivatives(const Kernel& kernel, int dimension);

  const Slots& slots() const noexcept { return slots_; }

  /// Whether the slots with Laplacians can be had: the kernel is a function of |x - y| alone.
  bool isotropic() const noexcept { return isotropic_; }

  struct Request {
    int order = 0;                      ///< highest order wanted
    bool partials = false;              ///< anything but value, Laplacian, Laplacian twice
    std::vector<unsigned char> wanted;  ///< [slot]
  };
  /// out[slot][j] = derivative at z = x - y_j for every wanted slot and j < n; n a multiple of 8,
  /// arrays aligned to cache lines. Without `partials` the slots 0, laplacian, bilaplacian are all
  /// written. Odd derivatives change their sign alone, no other bit, when z does.
  void evaluate(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
                std::size_t n, const Request& request, const std::vector<double*>& out);

 private:
  struct Scaled {  ///< a radial function of |z_i inverse_length_i|
    RadialFunction function;
    std::array<double, 3> inverse_length;
    std::vector<double> power;  ///< [partial derivative] inverse_length^alpha
  };
  using Product = std::vector<Scaled>;

  void add_term(const KernelTerm& term);
  void squares(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
               std::size_t n);
  template <int D, int Order>
  void evaluate_partials(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
                         std::size_t n, const Request& request, const std::vector<double*>& out);
  template <int D>
  struct Work;

  Slots slots_;
  bool isotropic_;
  std::vector<Product> sum_;
  points::AlignedVector<double> square_;
};

}  // namespace mensura::gp
