// SPDX-License-Identifier: BSD-3-Clause
// What a PairSolver writes into a checkpoint: numbers replicated, potentials under the points' ids.
#include <bit>

#include "parallel/by_index.hpp"
#include "transport/pair_solver.hpp"

namespace mensura::transport {

namespace {

// Writes numbers one after another, or reads them back.
class Numbers {
 public:
  Numbers() = default;
  explicit Numbers(std::vector<double> values) : values_(std::move(values)), reading_(true) {}

  void operator()(double& value) {
    if (!reading_) {
      values_.push_back(value);
      return;
    }
    parallel::require(next_ < values_.size(), "the checkpoint has the numbers that save() wrote");
    value = values_[next_++];
  }
  template <class Integer>
    requires std::is_integral_v<Integer>
  void operator()(Integer& value) {
    auto real = static_cast<double>(value);
    (*this)(real);
    value = static_cast<Integer>(real);
  }
  template <class T, class Each>
  void list(std::vector<T>& values, const Each& each) {
    std::size_t size = values.size();
    (*this)(size);
    values.resize(size);
    for (T& value : values) each(value);
  }
  template <class T>
  void list(std::vector<T>& values) {
    list(values, [&](T& value) { (*this)(value); });
  }
  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
  std::size_t next_ = 0;
  bool reading_ = false;
};

void visit(Numbers& numbers, StageReport& stage) {
  bool newton = stage.method == "newton";
  numbers(newton);
  stage.method = newton ? "newton" : "sinkhorn";
  numbers(stage.level), numbers(stage.points), numbers(stage.regularisation);
  numbers(stage.newton), numbers.list(stage.cg), numbers(stage.sinkhorn), numbers(stage.searches);
  numbers(stage.plan_per_row), numbers(stage.laplacian_per_row), numbers(stage.error_l1);
  numbers(stage.dual_objective), numbers(stage.sweep_rate), numbers(stage.seconds);
}

void visit(Numbers& numbers, NewtonReport& report) {
  numbers(report.steps), numbers(report.sweeps), numbers(report.searches);
  numbers(report.linear_failures), numbers.list(report.cg), numbers(report.error_l1);
  numbers(report.dual_objective), numbers(report.plan_per_row), numbers(report.laplacian_per_row);
  numbers(report.heavy_columns), numbers(report.sweep_rate);
}

// Everything but the potentials.
void visit(Numbers& numbers, Multiscale::State& state) {
  numbers.list(state.todo, [&](Multiscale::Stage& stage) {
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

std::vector<double> packed(std::vector<StageReport> stages) {
  Numbers numbers;
  numbers.list(stages, [&](StageReport& stage) { visit(numbers, stage); });
  return numbers.values();
}

std::vector<StageReport> unpacked(std::vector<double> values) {
  Numbers numbers(std::move(values));
  std::vector<StageReport> stages;
  numbers.list(stages, [&](StageReport& stage) { visit(numbers, stage); });
  return stages;
}

void PairSolver::save(output::CheckpointWriter& checkpoint, const std::string& prefix) const {
  Multiscale::State state = multiscale_->state();
  Numbers numbers;
  visit(numbers, state);
  checkpoint.replicated(prefix + "numbers", numbers.values());
  const Level& level = multiscale_->level(state.level);
  checkpoint.distributed(prefix + "x_ids", as_integers(level.x.ids), level.x.first, level.x.total);
  checkpoint.distributed(prefix + "y_ids", as_integers(level.y.ids), level.y.first, level.y.total);
  potentials_of(state, [&](const std::string& name, const Potentials& values) {
    checkpoint.distributed(prefix + name + "_f", values.f, level.x.first, level.x.total);
    checkpoint.distributed(prefix + name + "_g", values.g, level.y.first, level.y.total);
  });
}

std::unique_ptr<PairSolver::Restored> PairSolver::load(const parallel::Communicator& comm,
                                                       const output::CheckpointReader& checkpoint,
                                                       const std::string& prefix) {
  auto restored = std::make_unique<Restored>();
  Numbers numbers(checkpoint.reals(prefix + "numbers"));
  visit(numbers, restored->state);
  const auto block = [&](const std::string& name) {
    const parallel::Blocks blocks{checkpoint.extent(name), comm.size()};
    return std::pair(blocks.begin(comm.rank()), blocks.size(comm.rank()));
  };
  const auto ids = [&](const std::string& name) {
    const auto [first, count] = block(name);
    const std::vector<std::int64_t> values = checkpoint.integers(name, first, count);
    return std::vector<std::uint64_t>(values.begin(), values.end());
  };
  const auto reals = [&](const std::string& name) {
    const auto [first, count] = block(name);
    return checkpoint.reals(name, first, count);
  };
  restored->x_ids = ids(prefix + "x_ids");
  restored->y_ids = ids(prefix + "y_ids");
  potentials_of(restored->state, [&](const std::string& name, Potentials& values) {
    values.f = reals(prefix + name + "_f");
    values.g = reals(prefix + name + "_g");
  });
  return restored;
}

void PairSolver::restore(Restored restored) {
  const Level& level = multiscale_->level(restored.state.level);
  potentials_of(restored.state, [&](const std::string&, Potentials& values) {
    values.f = values_at(comm_, restored.x_ids, values.f, 1, level.x.ids);
    values.g = values_at(comm_, restored.y_ids, values.g, 1, level.y.ids);
  });
  multiscale_->resume(std::move(restored.state));
}

}  // namespace mensura::transport
