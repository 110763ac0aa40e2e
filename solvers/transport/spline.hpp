// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/cloud.hpp"
#include "transport/kernel.hpp"
#include "transport/over_relaxation.hpp"

namespace mensura::transport {

/// The velocities that every point may have at every time: a grid, the same on all axes or not.
struct VelocityGrid {
  std::vector<double> lower, upper;  ///< one per axis, both ends are velocities
  std::vector<std::int64_t> count;   ///< >= 2 per axis
  std::int64_t total() const;
  /// Velocity number `index`, the last axis fastest.
  std::vector<double> at(std::int64_t index) const;
};

struct SplineOptions {
  std::vector<double> times;         ///< of the marginals, ascending
  std::vector<std::string> names{};  ///< of the marginals, for messages; empty: their numbers
  VelocityGrid velocities;
  double epsilon = 1;                ///< the last regularisation, absolute
  double first_epsilon = 0;          ///< 0: a quarter of the largest cost of an edge
  double tolerance = 1e-9;           ///< of the largest L1 error of a marginal
  std::int64_t max_sweeps = 100000;  ///< at the last regularisation
  bool over_relax = true;
};

/// What the plan says of the velocities at one time: own points, in the order of the cloud.
struct SplineVelocities {
  std::vector<double> mean;      ///< own x dimension
  std::vector<double> variance;  ///< own x dimension: of every component, given the position
};

/// Paths drawn from a spline's plan, the same on all ranks.
struct SplinePaths {
  std::size_t dimension = 1;
  std::vector<double> times;
  std::vector<double> points;  ///< paths x times x (position, velocity), row-major
  std::size_t count() const { return points.size() / (2 * dimension * times.size()); }
  /// Where every path is at any time between the first and the last one: the cubics through its
  /// positions and velocities. Paths x dimension. Local.
  std::vector<double> at(double time) const;
};

/// Wasserstein splines (Chen, Conforti, Georgiou 2018; Benamou, Gallouet, Vialard 2019;
/// reference/transport 3.4): a law of paths with prescribed laws of the positions at given times
/// and least E int |x''|^2 dt. Between two times a path of least bending is the cubic with the
/// positions and velocities of its ends, which costs, for a time step t,
///   (12 |x1 - x0 - t (v0 + v1) / 2|^2 + t^2 |v1 - v0|^2) / t^3 = |A(x1, v1) - B(x0, v0)|^2 / t^3,
///   A(x, v) = (sqrt(12) (x - t v / 2), t v),  B(x, v) = (sqrt(12) (x + t v / 2), t v),
/// a chain over phase space whose edges are blocked kernels with the squared distance on
/// transformed points. Solved with the entropy eps KL(P | product over the times of mu_k x the
/// uniform law on the velocity grid); the potentials belong to positions. A sweep goes up the chain
/// with messages only and down again with a potential and a message per time: two kernel sums per
/// edge.
///
/// Entropy spreads the velocities: the linear cost is above the optimum by about eps / 2 per free
/// component (one per axis and time), and the grid of velocities must reach beyond the velocities
/// of the paths by some sqrt(eps t / 4) and be no coarser than that. Mean velocities of densities
/// that are moved around are those of the natural cubic spline through their means, without any
/// bias.
///
/// Members are collective but for accessors; own values are in the order of the clouds, which are
/// made anew from the given ones: same points on the same ranks. The communicator outlives the
/// object.
class SplineSolver {
 public:
  /// One cloud of positions per time. Throws on all ranks: Error{input_data} for masses that do not
  /// sum to one (1e-9; a smaller difference is divided out) and for costs beside which doubles do
  /// not resolve the regularisation, Error{internal} for options that do not fit together.
  SplineSolver(const parallel::Communicator& comm, std::span<const Cloud> positions,
               const SplineOptions& options);
  ~SplineSolver();

  bool finished() const noexcept { return stage_ == epsilons_.size(); }
  bool converged() const noexcept { return finished() && converged_; }
  /// The work between two safe points: some sweeps. Throws Error{numerical} on all ranks when
  /// values leave the finite numbers.
  void advance(const std::function<void()>& poll);

  /// All that a restart needs. Potentials are own ones: on other ranks bring them to the clouds'
  /// points by their ids (values_at).
  struct State {
    std::int64_t stage = 0, sweeps = 0;
    std::vector<std::vector<double>> potentials;  ///< per time
    double dual = 0, error = 0, seconds = 0, pace = 1;
    std::vector<double> relaxation;  ///< OverRelaxation::numbers()
    bool converged = false;
    std::vector<StageReport> history;
  };
  State state() const;
  void resume(State state);

  std::size_t times() const noexcept { return options_.times.size(); }
  double epsilon() const noexcept { return epsilons_.back(); }
  const std::vector<std::vector<double>>& potentials() const noexcept { return at_; }
  const std::vector<StageReport>& history() const noexcept { return history_; }

  struct Result {
    std::vector<std::vector<double>> marginals;  ///< per time: mass of the plan at own positions
    std::vector<double> errors;                  ///< per time: L1 error of the marginal
    std::vector<SplineVelocities> velocities;    ///< per time
    double linear = 0;                           ///< E int |x''|^2 dt of the plan
    double regularised = 0;                      ///< with the entropy
  };
  /// Of the plan at potentials(), once finished.
  Result result(const std::function<void()>& poll) const;
  /// `count` independent paths of that plan, for densities between the times: a Markov chain over
  /// phase space. Drawn by the largest of logarithm plus Gumbel noise, which is counted by seed,
  /// time, id of the position and path: the same on any number of ranks but for ties within
  /// rounding. Work count x points of phase space.
  SplinePaths paths(std::int64_t count, std::uint64_t seed,
                    const std::function<void()>& poll) const;

 private:
  struct Edge;
  struct Draw;
  using Messages = std::vector<std::vector<double>>;
  void add_edges(std::span<const Cloud> positions);
  Messages backward(double epsilon, const std::function<void()>& poll) const;
  std::vector<double> forward(std::size_t edge, double epsilon, std::span<const double> before,
                              const std::function<void()>& poll) const;
  std::vector<double> lifted(std::size_t time, std::span<const double> message) const;
  std::vector<double> exact(std::size_t time, double epsilon, std::span<const double> before,
                            std::span<const double> after) const;
  SplineVelocities velocities(std::size_t time, std::span<const double> exact,
                              std::span<const double> before, std::span<const double> after) const;
  struct Step {
    double mass = 0, error = 0;
  };
  Step measure(std::size_t time, double epsilon, std::span<const double> exact) const;
  bool sweep(const std::function<void()>& poll);
  void observe(double error);
  void draw_from(std::size_t time, std::span<const double> logarithms, std::size_t begin,
                 std::size_t end, Draw& draw) const;
  void finish_stage();
  double resolution() const;
  double value() const;

  const parallel::Communicator& comm_;
  SplineOptions options_;
  std::vector<std::vector<double>> masses_, positions_;  // own positions, per time
  std::vector<std::vector<std::uint64_t>> ids_;
  std::vector<double> grid_;  // all velocities, row-major
  std::vector<std::unique_ptr<Edge>> edges_;
  std::vector<double> epsilons_;
  std::size_t stage_ = 0;
  std::int64_t sweeps_ = 0;
  std::vector<std::vector<double>> at_;
  OverRelaxation relaxation_;
  double pace_ = 1;  // error ratio of the sweeps that another factor has to beat
  double dual_ = 0, error_ = 0, seconds_ = 0;
  bool converged_ = false;
  std::vector<StageReport> history_;
};

}  // namespace mensura::transport
