// SPDX-License-Identifier: BSD-3-Clause
#include "transport/loading.hpp"

#include <fmt/format.h>

#include "run/timers.hpp"

namespace mensura::transport {

std::vector<Marginal> load_marginals(const parallel::Communicator& comm, const Problem& problem,
                                     run::Context& context) {
  const auto phase = context.timers.phase("marginals");
  check_sizes(problem, sizes_of(comm, problem));
  std::vector<Marginal> marginals;
  for (const MarginalSpec& spec : problem.marginals) {
    if (spec.free) {
      marginals.emplace_back();
      marginals.back().name = spec.name;
      continue;
    }
    marginals.push_back(load_marginal(comm, spec, problem.normalise, context.poll));
    const Marginal& marginal = marginals.back();
    context.log(fmt::format("marginal '{}': {} points with mass of {}, dimension {}", marginal.name,
                            marginal.total, marginal.input_total, marginal.dimension));
  }
  return marginals;
}

void check_fingerprints(std::span<const Marginal> marginals,
                        std::span<const std::int64_t> fingerprints) {
  parallel::require(marginals.size() == fingerprints.size(), "one fingerprint for each marginal");
  for (std::size_t m = 0; m < marginals.size(); ++m) {
    if (fingerprints[m] == static_cast<std::int64_t>(marginals[m].fingerprint)) continue;
    throw parallel::Error(
        parallel::ExitCode::usage,
        fmt::format("marginal '{}' is not the one of the checkpoint: its file has "
                    "changed; start anew in another folder",
                    marginals[m].name));
  }
}

std::vector<std::int64_t> fingerprints_of(std::span<const Marginal> marginals) {
  std::vector<std::int64_t> fingerprints;
  for (const Marginal& marginal : marginals) {
    fingerprints.push_back(static_cast<std::int64_t>(marginal.fingerprint));
  }
  return fingerprints;
}

}  // namespace mensura::transport
