// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "output/field_writer.hpp"
#include "parallel/communicator.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Local. "photographs.h5:/grey/camera" or "the density 'exp(x)'", after the place in the deck.
std::string source_text(const MarginalSpec& spec);

/// Local. Pixel centres of a grid whose longer side has length 1 unless `spacing` is given; the
/// first centre lies half a spacing from the corner, which is the origin.
output::RegularGrid pixel_grid(std::vector<std::int64_t> shape, std::optional<double> spacing);

/// Values of a grid marginal as read or evaluated, resized: this rank's rows of the first axis.
struct GridValues {
  std::vector<double> values;
  std::uint64_t fingerprint = 0;  ///< of the file's dataset or the density's values
};

/// Collective. `grid`: the grid after resizing. Throws Error{input_data} on all ranks for the first
/// value that is negative or not finite, with its pixel.
GridValues grid_values(const parallel::Communicator& comm, const MarginalSpec& spec,
                       const output::RegularGrid& grid, const std::function<void()>& poll);

}  // namespace mensura::transport
