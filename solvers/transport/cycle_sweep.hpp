// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/cycle_messages.hpp"
#include "transport/cycle_problem.hpp"

namespace mensura::transport {

/// Passes over the nodes of a cycle at one regularisation. Potentials are divided by it, points in
/// the nodes' own order, the same on all ranks. Messages at a node k >= 1, without the node itself:
/// backward ones hold the rest of the cycle from k on round to x_0, forward ones that from x_0 to
/// k. Members are collective.
class CycleSweep {
 public:
  using Potentials = std::vector<std::vector<double>>;

  CycleSweep(const parallel::Communicator& comm, const CycleData& data);

  void set_epsilon(double epsilon);
  Potentials& potentials() noexcept { return u_; }
  const Potentials& potentials() const noexcept { return u_; }

  /// Backward messages of the potentials, which have moved by at most `moved` altogether (the sum
  /// over the nodes of the largest change) since the forward ones; infinity: there are none that
  /// mean anything. Returns the logarithm of the plan's mass.
  double refresh(double moved, const std::function<void()>& poll);
  /// With backward messages: every marginal in turn is made exact, or, `down`, only lowered to what
  /// it may be. Leaves forward messages. Returns the largest L1 error met on the way.
  double update(bool down, const std::function<void()>& poll);
  /// With forward messages: logarithms of the marginals at all nodes. Leaves backward messages.
  const Potentials& measure(const std::function<void()>& poll);

  /// Of the last measure().
  const Potentials& marginal_logarithms() const noexcept { return marginals_; }

  /// Makes the forward messages from backward ones and visits every node k >= 1 with its own.
  using VisitNode = std::function<void(std::size_t node, const Columns& forward)>;
  void walk(const VisitNode& visit, const std::function<void()>& poll);

  const std::vector<Columns>& backward_messages() const noexcept { return backward_; }
  const CycleData& data() const noexcept { return data_; }
  double epsilon() const noexcept { return epsilon_; }
  std::size_t tile() const noexcept { return engine_.tile(); }
  void adapt_tile();  ///< to the work since the last call
  void forget_work() { engine_.take_work(); }
  /// Own groups x 8: potential and mass of x_0.
  std::vector<double> column_weights() const;

 private:
  void start_forward(Columns& out) const;
  void start_backward(Columns& out) const;
  Columns with_node(const Columns& message, std::size_t node) const;
  std::vector<double> node_logarithms(const Columns& message, const Columns& other,
                                      std::size_t node) const;
  std::vector<double> column_logarithms(const Columns& message, const Columns& other) const;
  std::vector<double> first_marginal(const std::vector<double>& columns) const;
  void note_floor(const Columns& message, const Columns& other, std::size_t node, double slack);
  void check(std::span<const double> logarithms, std::size_t node) const;

  const parallel::Communicator& comm_;
  const CycleData& data_;
  CycleMessages engine_;
  double epsilon_ = 1;
  Potentials u_, marginals_;
  std::vector<Columns> forward_, backward_;
  Relevance relevance_;
};

}  // namespace mensura::transport
