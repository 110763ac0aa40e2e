// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "divergence/problem.hpp"
#include "divergence/source.hpp"

namespace mensura::divergence {

/// The k of a request for sets of these sizes: as asked, or for nnr the square root of the smaller
/// set's size, 2 to 4096. Empty for gaussian.
std::vector<int> neighbours_of(const Request& request, std::int64_t count_p, std::int64_t count_q);

/// Local. What sizes (one entry per set of the problem) forbid, for all the given requests at once:
/// Error{input_data} for sets of fewer than two points or of different dimensions, Error{usage} for
/// more coordinates than the neighbour search covers or more neighbours than there are points.
void check_requests(const Problem& problem, const std::vector<std::size_t>& requests,
                    const std::vector<SetSize>& sizes);

}  // namespace mensura::divergence
