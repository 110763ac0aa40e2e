// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "dense.hpp"
#include "transport/marginal.hpp"

namespace mensura::test {

/// This rank's block of a measure as load_marginal() would give it.
inline transport::Marginal marginal_of(const parallel::Communicator& comm, const Measure& measure,
                                       const std::string& name) {
  const parallel::Blocks blocks{static_cast<std::int64_t>(measure.size()), comm.size()};
  const auto first = static_cast<std::size_t>(blocks.begin(comm.rank()));
  const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
  transport::Marginal result;
  result.name = name;
  result.dimension = measure.dimension;
  result.total = result.input_total = static_cast<std::int64_t>(measure.size());
  for (std::size_t i = first; i < first + own; ++i) {
    result.coordinates.insert(result.coordinates.end(), measure[i], measure[i] + measure.dimension);
    result.mass.push_back(measure.mass[i]);
    result.ids.push_back(measure.ids[i]);
  }
  return result;
}

}  // namespace mensura::test
