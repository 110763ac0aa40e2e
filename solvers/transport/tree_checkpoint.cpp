// SPDX-License-Identifier: BSD-3-Clause
// What a TreeSolver writes into a checkpoint: numbers, and potentials under the points' ids.
#include "transport/state_numbers.hpp"
#include "transport/tree_solver.hpp"

namespace mensura::transport {

namespace {

std::string array_name(const char* what, std::size_t node) {
  return std::string(what) + "_" + std::to_string(node);
}

}  // namespace

template <class Visitor>
void TreeSolver::visit_numbers(Visitor& visitor, Numbers& numbers) {
  visitor.list(numbers.todo, [&](Stage& stage) {
    visitor(stage.level), visitor(stage.epsilon), visitor(stage.tolerance);
  });
  visitor(numbers.level), visitor(numbers.begun), visitor(numbers.converged);
  visitor(numbers.by_sweeps), visitor(numbers.has_past), visitor(numbers.inserted);
  visitor(numbers.at_epsilon), visitor(numbers.past_epsilon), visitor(numbers.seconds);
  visitor(numbers.newton.kappa), visitor(numbers.newton.floor);
  visitor(numbers.newton.least_share), visitor(numbers.newton.accuracy);
  Standstill& still = numbers.newton.standstill;
  visitor(still.error), visitor(still.objective), visitor(still.steps);
  visit(visitor, numbers.newton.report);
  visit(visitor, numbers.sweeps);
  visitor.list(numbers.history, [&](StageReport& stage) { visit(visitor, stage); });
}

TreeSolver::Numbers TreeSolver::numbers() const {
  Numbers numbers;
  numbers.todo.assign(todo_.begin(), todo_.end());
  numbers.level = level_;
  numbers.begun = begun_;
  numbers.converged = converged_;
  numbers.by_sweeps = by_sweeps_;
  numbers.has_past = !past_.empty();
  numbers.inserted = inserted_;
  numbers.at_epsilon = at_epsilon_;
  numbers.past_epsilon = past_epsilon_;
  numbers.seconds = seconds_;
  if (newton_) numbers.newton = newton_->memory();
  numbers.sweeps = sweeps_;
  numbers.history = history_;
  return numbers;
}

SavedState TreeSolver::save() const {
  Numbers plain = numbers();
  StateNumbers visitor;
  visit_numbers(visitor, plain);
  SavedState state;
  state.numbers = visitor.values();
  const NodePotentials& at = begun_ && !by_sweeps_ ? newton_->potentials() : at_;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (tree_.free(k)) continue;
    const Cloud& cloud = layers_[level_].clouds[k];
    state.add(array_name("ids", k), std::vector<std::int64_t>(cloud.ids.begin(), cloud.ids.end()),
              cloud.first, cloud.total);
    state.add(array_name("at", k), at[k], cloud.first, cloud.total);
    if (plain.has_past) state.add(array_name("past", k), past_[k], cloud.first, cloud.total);
    if (keeps_supports()) {
      state.add(array_name("searched", k), plans_->searched_at()[k], cloud.first, cloud.total);
    }
  }
  return state;
}

void TreeSolver::restore(const SavedState& saved) {
  Numbers plain;
  StateNumbers visitor(saved.numbers);
  visit_numbers(visitor, plain);
  todo_.assign(plain.todo.begin(), plain.todo.end());
  begun_ = plain.begun;
  converged_ = plain.converged;
  by_sweeps_ = plain.by_sweeps;
  at_epsilon_ = plain.at_epsilon;
  past_epsilon_ = plain.past_epsilon;
  seconds_ = plain.seconds;
  sweeps_ = plain.sweeps;
  history_ = plain.history;
  enter(plain.level, at_epsilon_);
  inserted_ = plain.inserted;
  const std::vector<Cloud>& clouds = layers_[level_].clouds;
  const auto potentials = [&](const char* what) {
    NodePotentials result(tree_.nodes());
    for (std::size_t k = 0; k < tree_.nodes(); ++k) {
      if (tree_.free(k)) continue;
      const std::vector<std::int64_t>& ids = saved.integers(array_name("ids", k));
      result[k] = values_at(comm_, std::vector<std::uint64_t>(ids.begin(), ids.end()),
                            saved.reals(array_name(what, k)), 1, clouds[k].ids);
    }
    return result;
  };
  at_ = potentials("at");
  if (plain.has_past) past_ = potentials("past");
  if (keeps_supports()) plain.newton.searched = potentials("searched");
  const std::function<void()> poll = [] {};
  if (todo_.empty() && !converged_) {  // the last stage again, perhaps with other limits
    todo_.push_back({0, epsilon_, problem_.tolerance});
    past_.clear();
    begun_ = false;
    return;
  }
  if (keeps_supports() && !begun_) {  // the plans that the results are taken from
    model_->messages->gather(plain.newton.searched, poll);
    model_->messages->spread(plain.newton.searched, poll);
    plans_->search(plain.newton.searched, *model_->messages, most_pairs());
  }
  if (!begun_) return;
  if (by_sweeps_) {
    model_->messages->gather(at_, poll);
  } else if (!start_newton(todo_.front(), at_, &plain.newton, poll)) {
    throw parallel::Error(parallel::ExitCode::too_large,
                          "the plans of the checkpoint do not fit on this number of ranks; restart "
                          "on as many as wrote it");
  }
}

}  // namespace mensura::transport
