// SPDX-License-Identifier: BSD-3-Clause
#include "transport/free_support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace mensura::transport {

FreeSupport::FreeSupport(const parallel::Communicator& comm, std::vector<double> positions,
                         const FreeSupportOptions& options)
    : comm_(comm), options_(options) {
  parallel::require(!options.weights.empty() && std::ranges::min(options.weights) > 0,
                    "a barycenter has measures with positive weights");
  parallel::require(options.dimension >= 1 && options.tolerance >= 0 && options.max_steps >= 1,
                    "free points have a dimension, a tolerance and steps");
  parallel::agree(comm, [&] {
    parallel::require(positions.size() % static_cast<std::size_t>(options.dimension) == 0,
                      "positions are whole points");
    state_.mean.assign(positions.size(), 0.0);
  });
  state_.positions = std::move(positions);
  const double sum = std::reduce(options_.weights.begin(), options_.weights.end());
  for (double& weight : options_.weights) weight /= sum;
}

void FreeSupport::advance(const SolveEdge& solve) {
  if (finished_) return;
  const EdgeMap answer = solve(state_.edge, state_.positions);
  parallel::agree(comm_, [&] {
    parallel::require(answer.map.size() == state_.mean.size(), "a map has a place for every point");
    const bool good = std::ranges::all_of(answer.map, [](double v) { return std::isfinite(v); });
    if (good && std::isfinite(answer.value)) return;
    throw parallel::Error(
        parallel::ExitCode::numerical,
        fmt::format("the map to measure {} of the barycenter is not finite in step {}; check the "
                    "scale of the cost and the regularisation",
                    state_.edge, report_.steps + 1));
  });
  const double weight = options_.weights[state_.edge];
  for (std::size_t i = 0; i < answer.map.size(); ++i) state_.mean[i] += weight * answer.map[i];
  state_.objective += weight * answer.value;
  if (++state_.edge == options_.weights.size()) step();
}

void FreeSupport::step() {
  const auto d = static_cast<std::size_t>(options_.dimension);
  double farthest = 0;
  for (std::size_t i = 0; i < state_.mean.size(); i += d) {
    double square = 0;
    for (std::size_t a = i; a < i + d; ++a) {
      const double move = state_.mean[a] - state_.positions[a];
      square += move * move;
    }
    farthest = std::max(farthest, square);
  }
  report_.move = std::sqrt(comm_.max(farthest));
  ++report_.steps;
  if (!report_.objectives.empty()) {
    const double rise = state_.objective - report_.objectives.back();
    if (rise > options_.value_error * std::abs(state_.objective)) ++report_.rises;
    report_.largest_rise = std::max(report_.largest_rise, rise);
  }
  report_.objectives.push_back(state_.objective);
  report_.converged = report_.move <= options_.tolerance;
  finished_ = report_.converged || report_.steps >= options_.max_steps;
  if (!report_.converged) state_.positions = state_.mean;
  std::ranges::fill(state_.mean, 0.0);
  state_.objective = 0;
  state_.edge = 0;
}

void FreeSupport::resume(State state, FreeSupportReport report) {
  parallel::agree(comm_, [&] {
    parallel::require(
        state.positions.size() == state.mean.size() && state.edge < options_.weights.size(),
        "a state belongs to its problem");
  });
  state_ = std::move(state);
  report_ = std::move(report);
  finished_ = report_.converged || report_.steps >= options_.max_steps;
}

}  // namespace mensura::transport
