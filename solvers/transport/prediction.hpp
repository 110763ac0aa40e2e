// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "parallel/communicator.hpp"
#include "run/application.hpp"
#include "transport/marginal.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// What a problem will need, estimated from its sizes.
struct Footprint {
  double plan_per_row = 0, laplacian_per_row = 0;  ///< stored entries at the peak; 0: none stored
  std::int64_t bytes_per_rank = 0;
};

/// Local. The final regularisation in the cost's units where the sizes tell it (grids; absolute);
/// none for clouds, whose spacing is measured on the points.
std::optional<double> absolute_regularisation(const Problem& problem,
                                              std::span<const MarginalSize> sizes);

/// Local. Counts and bytes measured on images, carried over to other dimensions by the volume of
/// the neighbourhoods; no plan where `auto` leaves it to Sinkhorn's iteration.
Footprint footprint(const Problem& problem, std::span<const MarginalSize> sizes, int ranks);

/// Local. Bytes per rank of the samples that the deck asks for, while they are drawn and written;
/// of a spline's paths, which all ranks have.
std::int64_t sample_bytes(const Problem& problem, std::span<const MarginalSize> sizes, int ranks);

/// Collective. For --dry-run; reads headers of files only. Throws what size_of() and check_sizes()
/// throw.
run::Prediction predict(const Problem& problem, const parallel::Communicator& comm);

}  // namespace mensura::transport
