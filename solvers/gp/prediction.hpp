// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/collocation.hpp"
#include "gp/problem.hpp"
#include "parallel/communicator.hpp"
#include "run/application.hpp"

namespace mensura::gp {

/// What a problem will need, estimated from its size.
struct Footprint {
  double nonzeros_per_row = 0;
  std::int64_t rows = 0;            ///< of the big factor
  std::int64_t bytes_per_rank = 0;  ///< at the peak
};

/// Local. Estimate from counts measured on grids (reference gp_pde 3.2; scaling/README.md).
Footprint footprint(const Problem& problem, const CollocationSize& size, int ranks);

/// Local. How much farther than collocation points the data reach in the pattern: four times, but
/// not so far that each sees more than a few hundred of the others (put_data_last()). At least one.
double data_reach(const Problem& problem, const CollocationSize& size);

/// Local. Bytes that a checkpoint holds of the points, all ranks: state, mean, and what conjugate
/// gradients remember.
std::int64_t state_bytes(std::int64_t points, int state_rows);

/// Collective. For --dry-run; reads headers of files only.
run::Prediction predict(const Problem& problem, const parallel::Communicator& comm);

}  // namespace mensura::gp
