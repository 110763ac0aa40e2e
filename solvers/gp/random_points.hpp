// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "gp/boundary_pieces.hpp"
#include "gp/domain.hpp"
#include "parallel/random.hpp"

namespace mensura::gp {

/// Points uniform in a domain and on its boundary, each a function of (seed, its number) alone.
class RandomPoints {
 public:
  RandomPoints(const Domain& domain, std::uint64_t seed);

  /// Local. Uniform inside, off the boundary: by rejection from the bounding box (at least half of
  /// it is hit in boxes, disks, balls and L-shapes), from the shell by itself for annuli, which may
  /// be thin. Attempt a uses the draws 4 a, 4 a + 1, ....
  Coordinates interior_point(std::uint64_t index) const;
  /// Local. Uniform in length (area) over all pieces; in one dimension the end number `index`.
  Coordinates boundary_point(std::uint64_t index) const;

 private:
  Coordinates proposal(std::uint64_t index, std::uint64_t attempt) const;
  Domain domain_;
  int dimension_;
  std::vector<double> box_;
  double tolerance_;
  std::vector<Piece> pieces_;
  std::vector<double> measure_before_;  ///< of all pieces before each, and of all
  parallel::Stream interior_, boundary_;
};

}  // namespace mensura::gp
