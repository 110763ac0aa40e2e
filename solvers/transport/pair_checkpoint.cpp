// SPDX-License-Identifier: BSD-3-Clause
// What a PairSolver writes into a checkpoint: numbers replicated, potentials under the points' ids.
#include <bit>

#include "transport/pair_solver.hpp"
#include "transport/state_numbers.hpp"

namespace mensura::transport {

namespace {

// Everything but the potentials.
void visit(StateNumbers& numbers, Multiscale::State& state) {
  numbers.list(state.todo, [&](Stage& stage) {
    numbers(stage.level), numbers(stage.epsilon), numbers(stage.tolerance);
  });
  numbers(state.level), numbers(state.begun), numbers(state.converged), numbers(state.by_sinkhorn);
  numbers(state.inserted), numbers(state.epsilon), numbers(state.seconds);
  numbers.list(state.past_epsilons);
  numbers(state.newton.kappa), numbers(state.newton.least_share);
  visit(numbers, state.newton.report);
  numbers(state.sinkhorn.sweeps), numbers(state.sinkhorn.error_l1), numbers(state.sinkhorn.rate);
  numbers(state.sinkhorn.over_relaxation), numbers(state.sinkhorn.dual_objective);
  numbers(state.sinkhorn.converged);
  numbers.list(state.history, [&](StageReport& stage) { visit(numbers, stage); });
}

// The potentials of a state with their names.
template <class Use>
void potentials_of(Multiscale::State& state, const Use& use) {
  use("at", state.at);
  state.past.resize(state.past_epsilons.size());
  for (std::size_t i = 0; i < state.past.size(); ++i) {
    use("past_" + std::to_string(i), state.past[i]);
  }
  if (state.keeps_support()) use("searched", state.newton.searched);
}

std::vector<std::int64_t> as_integers(std::span<const std::uint64_t> ids) {
  return {ids.begin(), ids.end()};
}

}  // namespace

SavedState PairSolver::save() const {
  Multiscale::State state = multiscale_->state();
  StateNumbers numbers;
  visit(numbers, state);
  SavedState saved;
  saved.numbers = numbers.values();
  const Level& level = multiscale_->level(state.level);
  saved.add("x_ids", as_integers(level.x.ids), level.x.first, level.x.total);
  saved.add("y_ids", as_integers(level.y.ids), level.y.first, level.y.total);
  potentials_of(state, [&](const std::string& name, const Potentials& values) {
    saved.add(name + "_f", values.f, level.x.first, level.x.total);
    saved.add(name + "_g", values.g, level.y.first, level.y.total);
  });
  return saved;
}

void PairSolver::restore(const SavedState& saved) {
  Multiscale::State state;
  StateNumbers numbers(saved.numbers);
  visit(numbers, state);
  const Level& level = multiscale_->level(state.level);
  const auto ids = [&](const std::string& name) {
    const std::vector<std::int64_t>& values = saved.integers(name);
    return std::vector<std::uint64_t>(values.begin(), values.end());
  };
  const std::vector<std::uint64_t> x_ids = ids("x_ids"), y_ids = ids("y_ids");
  potentials_of(state, [&](const std::string& name, Potentials& values) {
    values.f = values_at(comm_, x_ids, saved.reals(name + "_f"), 1, level.x.ids);
    values.g = values_at(comm_, y_ids, saved.reals(name + "_g"), 1, level.y.ids);
  });
  multiscale_->resume(std::move(state));
}

}  // namespace mensura::transport
