// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "divergence/problem.hpp"
#include "output/dataset_reader.hpp"
#include "parallel/communicator.hpp"

namespace mensura::divergence {

/// "photographs.h5:/pixels/coffee" or "generated gaussian": the set's origin for messages.
std::string describe(const SampleSet& set);

/// Collective. Number of points and coordinates of a set, from the law or the header of its file.
struct SetSize {
  std::int64_t count = 0;
  std::int64_t dimension = 0;
};
SetSize size_of(const parallel::Communicator& comm, const SampleSet& set);

/// Collective. This rank's block of the set: rows [r n/P, (r+1) n/P), read or drawn. Errors as
/// output::read_points. `poll` is called between pieces, equally often on all ranks.
output::PointBlock load_points(const parallel::Communicator& comm, const SampleSet& set,
                               const std::function<void()>& poll);

}  // namespace mensura::divergence
