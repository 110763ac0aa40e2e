// SPDX-License-Identifier: BSD-3-Clause
// Include in the .cpp files of the spline only.
#pragma once

#include <memory>
#include <utility>

#include "transport/spline.hpp"

namespace mensura::transport {

/// From one time to the next.
struct SplineSolver::Edge {
  Edge(Cloud from_, Cloud to_, double step, const parallel::Communicator& comm)
      : from(std::move(from_)),
        to(std::move(to_)),
        cost({}, 1 / (step * step * step), from.dimension),
        kernel(make_blocked_kernel(comm, from, to, cost)) {}
  Cloud from, to;
  Cost cost;
  std::unique_ptr<Kernel> kernel;
};

}  // namespace mensura::transport
