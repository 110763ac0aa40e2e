// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "output/hdf5.hpp"
#include "output/record.hpp"
#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Local, the same on all ranks. Entries of `results` (one {name, value} each; numbers that do not
/// apply are null with a status) and one entry of `history` for each stage.
void record(const Answer& answer, output::Record& record);

/// Collective. Restores the order and the empty points of the inputs and writes
///   /marginals/NAME/{mass, transported}  zero where the input has none
///   /marginals/NAME/points               (n, d): places of the points of a free support
///   /potentials/NAME                     units of the cost; NaN where there is no mass
///   /maps/NAME                           barycentric projection, one point more axis than the
///   input;
///                                        coordinates of a grid slowest axis first; NaN likewise
///   /plans/EDGE/{indptr, indices, data}  rows: all input points of the edge's first marginal,
///   empty
///                                        where there is no mass; attribute `shape`
///   /tuples                              where asked: samples x marginals, input positions
/// in the shape of the grid, or (n,). Memory O(n / P + nonzeros / P). The same on any number of
/// ranks for the same answer.
void write_answer(output::File& file, const Problem& problem, const Answer& answer);

/// Collective. fields/NAME.h5 with its XDMF for every marginal on a grid: mass, transported mass,
/// potential and the displacement of the map, its components in the order x, y, z.
void write_fields(const parallel::Communicator& comm, const std::string& folder,
                  const output::Provenance& provenance, const Answer& answer);

}  // namespace mensura::transport
