// SPDX-License-Identifier: BSD-3-Clause
#include "transport/job.hpp"

#include <utility>
#include <vector>

#include "transport/marginal.hpp"
#include "transport/results.hpp"

namespace mensura::transport {

TransportJob::TransportJob(Problem problem, const parallel::Communicator& comm)
    : problem_(std::move(problem)), comm_(comm) {}

void TransportJob::advance(run::Context& context) {
  std::vector<MarginalSize> sizes;
  for (const MarginalSpec& spec : problem_.marginals) sizes.push_back(size_of(comm_, spec));
  check_sizes(problem_, sizes);
  std::vector<Marginal> marginals;
  for (const MarginalSpec& spec : problem_.marginals) {
    marginals.push_back(load_marginal(comm_, spec, problem_.normalise, context.poll));
  }
  check_pair(marginals[0], marginals[1], problem_.relaxation, problem_.strength);
  answer_.emplace();
  answer_->method = "none";
  for (Marginal& marginal : marginals) {
    answer_->nodes.push_back({.name = marginal.name,
                              .dimension = marginal.dimension,
                              .input_total = marginal.input_total,
                              .ids = std::move(marginal.ids),
                              .coordinates = std::move(marginal.coordinates),
                              .mass = std::move(marginal.mass),
                              .transported = {},
                              .potential = {},
                              .map = {},
                              .grid = marginal.grid});
  }
}

run::Progress TransportJob::progress() const {
  return {finished() ? 1 : 0, 1, "marginals"};
}

void TransportJob::save(output::CheckpointWriter&) const {}
void TransportJob::load(const output::CheckpointReader&) {}

void TransportJob::record(output::Record& record) const {
  if (answer_) transport::record(*answer_, record);
}

}  // namespace mensura::transport
