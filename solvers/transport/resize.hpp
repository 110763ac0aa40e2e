// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::transport {

/// Shape of a grid whose longer side is to have `longest` pixels: the other sides in proportion,
/// rounded, at least one.
std::vector<std::int64_t> resized_shape(const std::vector<std::int64_t>& shape,
                                        std::int64_t longest);

/// Where one pixel of an axis takes its value from: (sum of weights x values of the old pixels
/// first, first + 1, ...) / divisor, all of them whole numbers, the weights' sum being the divisor.
/// Fewer new pixels: part of the new pixel that an old one covers (the mean where the lengths
/// divide); more: linear interpolation between pixel centres, constant beyond the outer ones.
struct PixelWeights {
  std::int64_t first = 0;
  std::vector<double> weights{};
  double divisor = 1;
};
PixelWeights pixel_weights(std::int64_t old_pixels, std::int64_t new_pixels, std::int64_t pixel);

/// Collective. Resizes a grid axis by axis, the fastest first. `values`: this rank's rows of the
/// first axis in the block distribution, row-major; returns its rows of the new shape likewise.
/// Rows travel after the faster axes were resized; memory O(old / P + new / P) and one row. The
/// same on any number of ranks, bitwise. Throws Error{too_large} on all ranks for rows of more than
/// 2^31 pixels.
std::vector<double> resize(const parallel::Communicator& comm,
                           const std::vector<std::int64_t>& old_shape, std::vector<double> values,
                           const std::vector<std::int64_t>& new_shape);

}  // namespace mensura::transport
