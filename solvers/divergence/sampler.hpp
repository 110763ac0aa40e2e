// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "divergence/law.hpp"
#include "parallel/random.hpp"

namespace mensura::divergence {

/// Draws points of a law. Point `index` depends on the stream and the index only: the same numbers
/// on any number of ranks, in any order. Exact methods throughout: Box-Muller, inversion, Bailey
/// (1994) for Student's t, Marsaglia-Tsang (2000) for gamma and beta, exponential rejection (Robert
/// 1995) in the tail of a truncated normal.
class Sampler {
 public:
  explicit Sampler(const Law& law);  ///< Local. Validates; throws Error{usage}.
  ~Sampler();
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;
  int dimension() const noexcept;
  /// Local. Writes the dimension() coordinates of point `index` to `out`.
  void draw(const parallel::Stream& stream, std::uint64_t index, std::span<double> out) const;

  class Form;

 private:
  int dimension_ = 0;
  std::unique_ptr<const Form> form_;
};

}  // namespace mensura::divergence
