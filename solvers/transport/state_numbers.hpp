// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

#include "parallel/error.hpp"
#include "transport/answer.hpp"
#include "transport/newton.hpp"
#include "transport/saved_state.hpp"

namespace mensura::transport {

/// Writes the numbers of a solver's state one after another, or reads them back. Local.
class StateNumbers {
 public:
  StateNumbers() = default;
  explicit StateNumbers(std::vector<double> values) : values_(std::move(values)), reading_(true) {}

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

inline void visit(StateNumbers& numbers, StageReport& stage) {
  static constexpr std::array<const char*, 6> methods{"sinkhorn", "newton",  "exact",
                                                      "bregman",  "support", "spline"};
  std::size_t method = 0;
  while (method + 1 < methods.size() && stage.method != methods[method]) ++method;
  numbers(method);
  stage.method = methods[std::min(method, methods.size() - 1)];
  numbers(stage.level), numbers(stage.points), numbers(stage.regularisation);
  numbers(stage.newton), numbers.list(stage.cg), numbers(stage.sinkhorn), numbers(stage.searches);
  numbers(stage.plan_per_row), numbers(stage.laplacian_per_row), numbers(stage.error_l1);
  numbers(stage.dual_objective), numbers(stage.sweep_rate), numbers(stage.seconds);
  numbers(stage.inner);
}

inline void visit(StateNumbers& numbers, NewtonReport& report) {
  numbers(report.steps), numbers(report.sweeps), numbers(report.searches);
  numbers(report.linear_failures), numbers.list(report.cg), numbers(report.error_l1);
  numbers(report.dual_objective), numbers(report.plan_per_row), numbers(report.laplacian_per_row);
  numbers(report.heavy_columns), numbers(report.sweep_rate), numbers(report.inner);
}

/// Reports of stages as the numbers of a checkpoint, and back.
std::vector<double> packed(std::vector<StageReport> stages);
std::vector<StageReport> unpacked(std::vector<double> numbers);

/// Numbers of a solver's state, which `names_all(visitor, state)` names one by one.
template <class State>
SavedState saved_numbers(State state, void (*names_all)(StateNumbers&, State&)) {
  StateNumbers visitor;
  names_all(visitor, state);
  SavedState saved;
  saved.numbers = visitor.values();
  return saved;
}
template <class State>
State read_numbers(const SavedState& saved, void (*names_all)(StateNumbers&, State&)) {
  State state;
  StateNumbers visitor(saved.numbers);
  names_all(visitor, state);
  return state;
}

}  // namespace mensura::transport
