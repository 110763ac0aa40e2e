// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gp/averages.hpp"
#include "gp/conditioner.hpp"
#include "gp/equation.hpp"
#include "gp/pattern.hpp"
#include "gp/problem.hpp"
#include "gp/rows.hpp"
#include "gp/state_rows.hpp"
#include "parallel/communicator.hpp"
#include "run/job.hpp"

namespace mensura::gp {

/// Everything a solve stands on, set up in a few steps: points, order, pattern, equation, factor.
/// Built anew after a restart; nothing of it is in a checkpoint but its fingerprint.
class System {
 public:
  /// Local and cheap. References must outlive the system.
  System(const Problem& problem, const parallel::Communicator& comm);

  static constexpr int steps = 4;
  /// Collective. One of the `steps` steps of the set-up.
  void advance(run::Context& context);
  bool ready() const noexcept { return step_ == steps; }
  int step() const noexcept { return step_; }
  /// Collective, once ready. A new conditioner, for the problem's prior of now. When it throws
  /// there is none.
  void make_conditioner(run::Context& context);
  /// Local, once ordered. The problem of now, with another prior or noise, asks for another order.
  bool order_is_stale() const;
  /// Collective. Back to the first step, for another order.
  void start_over();

  const Pattern& pattern() const { return *pattern_; }
  const RowLayout& layout() const { return layout_; }
  const RowWeights& weights() const { return weights_; }
  StateRows state_rows() const {
    return {*pattern_, layout_, weights_, problem_.priors(), problem_.factor.nugget, axis_scale_};
  }
  Equation& equation() { return *equation_; }
  const Equation& equation() const { return *equation_; }
  Conditioner& conditioner() { return *conditioner_; }
  const Conditioner& conditioner() const { return *conditioner_; }
  std::span<const double> axis_scale() const { return axis_scale_; }
  std::int64_t points() const noexcept { return counts_[0] + counts_[1] + counts_[2]; }
  /// One per point, and the averages.
  std::int64_t measurements() const noexcept;
  /// Points where equation or boundary values hold.
  std::int64_t equations() const noexcept { return counts_[0] + counts_[1]; }
  int dimension() const noexcept { return dimension_; }

  /// Local, once ready. Where Gauss-Newton starts, own rows.
  std::vector<double> initial_state() const;

  /// Collective. Boundary data and measured values at a time (own points; 0 at interior points),
  /// and the variance of their noise over that of the prior (Problem::variance; empty when there
  /// are no data): conditioners have a prior of unit scale.
  void measured(double time, std::vector<double>& values, std::vector<double>& noise) const;

  /// The same for equal points, coefficients and data, on any number of ranks.
  std::uint64_t fingerprint() const noexcept { return fingerprint_; }

  void record(output::Value& root) const;  ///< Local.

 private:
  void order(run::Context& context);
  void find_pattern(run::Context& context);
  void prepare_equation(run::Context& context);
  void factor(run::Context& context);
  void take_averages(run::Context& context);
  Functional measured_functional(std::uint64_t id) const;
  void take_fingerprint();

  const Problem& problem_;
  const parallel::Communicator& comm_;
  int step_ = 0;
  int dimension_ = 0;
  std::array<std::int64_t, 3> counts_{};
  std::vector<std::int64_t> data_counts_;
  std::vector<double> axis_scale_;
  OrderedPoints ordered_;
  std::int64_t rounds_ = 0;
  std::unique_ptr<Pattern> pattern_;
  RowLayout layout_;
  RowWeights weights_;
  std::shared_ptr<Averages> averages_;  // shared with the conditioner; or none
  std::unique_ptr<Equation> equation_;
  std::unique_ptr<Conditioner> conditioner_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace mensura::gp
