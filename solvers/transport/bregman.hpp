// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/kernel.hpp"
#include "transport/over_relaxation.hpp"

namespace mensura::transport {

/// One measure of a barycenter. `kernel`: rows = leaf, columns = centre, without the weight.
struct BregmanEdge {
  const Cloud* leaf = nullptr;
  const Kernel* kernel = nullptr;
  double weight = 1;  ///< > 0; the weights of a problem are normalised to sum one
};

struct BregmanOptions {
  double epsilon = 1;
  /// Where the regularisation begins, by quarters down to `epsilon`; 0 or less than `epsilon`:
  /// there.
  double first_epsilon = 0;
  double tolerance = 1e-9;  ///< of error_l1
  /// Debiased: of centre_error, 0: as tolerance; infinity: the marginals alone decide, not whether
  /// b is the barycenter.
  double centre_tolerance = 0;
  std::int64_t max_sweeps = 10000;  ///< at the last regularisation
  std::int64_t sweeps_per_advance = 10;
  bool over_relax = true;  ///< automatic, of plain barycenters; debiased ones go without
  /// Penalty of rho KL(P_k 1 | m_k) instead of exact leaf marginals; infinity: exact.
  double rho = std::numeric_limits<double>::infinity();
};

struct BregmanReport {
  std::int64_t sweeps = 0;       ///< all leaves and the centre updated once, at all regularisations
  std::int64_t last_sweeps = 0;  ///< of them at the last one
  /// The largest leaf error, and of over-relaxed sweeps the largest sum_z |column of P_k - b|
  /// (zero after a plain one); not below what doubles resolve.
  double error_l1 = 0;
  std::vector<double> leaf_errors;  ///< sum_x |P_k 1 - m_k| after the centre's update
  double centre_error = 0;          ///< debiased: the same for the centre's plan with itself
  double rate = 1;                  ///< last settled error ratio per sweep
  double over_relaxation = 1;       ///< largest factor that was used
  double dual_objective = 0;        ///< the value of the problem where it has converged
  double mass = 0;                  ///< of b
  std::vector<double> errors;       ///< error_l1 after every sweep
  bool converged = false;
};

/// The entropic barycenter b of measures m_k on fixed points z with one entropy per edge,
///   min over b of sum_k w_k [ <c, P_k> + eps KL(P_k | m_k x m_z) ],  P_k with marginals m_k and b,
/// m_z being the masses of the centre's cloud: with equal ones every edge has the kernel
/// exp(-c / eps) and b is the geometric mean of K_k^T u_k (Benamou, Carlier, Cuturi, Nenna and
/// Peyre 2015; reference/transport 3.3). In the log domain, potentials f_k on the leaves and g_k on
/// the centre:
///   P_k = m_k m_z exp((f_k + g_k - c) / eps),  sum_k w_k g_k = q,
///   f_k: soft_rows(g_k), times rho / (rho + eps) where a leaf's marginal has a penalty;
///   h_k = soft_columns(f_k),  log(b / m_z) = (q - sum_l w_l h_l) / eps,
///   g_k = h_k + eps log(b / m_z):
/// block ascent of the dual objective in all f and all g. b has no marginal of its own to fit: the
/// centre's update is the same with penalties on the leaves, and its mass what they leave. q is
/// zero in the plain case. Debiased (Janati, Cuturi and Gramfort 2020): the objective is less half
/// of the regularised cost from b to itself, q its symmetric potential:
///   q <- (q + eps log(b / m_z) + soft_rows of the centre's own kernel(q)) / 2,
/// the logarithm of d <- sqrt(d b / (K d)). That is a saddle point, no ascent: no over-relaxation.
/// What the kernel blurs away the debiased barycenter has to restore: smooth densities take some
/// hundred sweeps, but where sharp images meet an eps of more than a squared spacing the error of
/// the centre falls like one over the number of sweeps, with those of the leaves far below.
/// Over-relaxation is dropped when the dual objective falls, and its iterates are never returned
/// without a final plain sweep. After every sweep a common constant of all f, the best one, makes
/// the mass of the plans that of the leaves: b sums to the leaves' mass to rounding, and to one
/// when they do.
/// A sweep costs soft_rows and soft_columns per edge, one more soft_rows when debiased. Members are
/// collective but for the queries; what edges point to outlives the object, spans hold own points.
class Bregman {
 public:
  /// `own`: kernel of the centre with itself for the debiased barycenter, else nullptr. Without
  /// penalties the leaves have one mass in common (Error{internal} else).
  Bregman(const parallel::Communicator& comm, std::vector<BregmanEdge> edges, const Cloud& centre,
          const Kernel* own, const BregmanOptions& options);

  bool finished() const noexcept { return finished_; }
  /// Some sweeps. Throws Error{numerical} on all ranks for values that are not finite.
  void advance(const std::function<void()>& poll);
  bool converged() const noexcept { return report_.converged; }
  const BregmanReport& report() const noexcept { return report_; }

  /// All that a restart on any number of ranks needs, potentials by own points: the sweeps go on as
  /// if nothing had happened (bitwise on the same number of ranks).
  struct State {
    std::vector<std::vector<double>> f, g;  ///< per edge
    std::vector<double> q, density;         ///< of the centre
    std::vector<double> numbers;            ///< the rest, equal on all ranks
  };
  State state() const;
  /// Sweeps that ended at their limit go on where there are more of them now.
  void resume(State state);
  /// The barycenter's masses, zero where they underflow.
  std::vector<double> mass() const;
  std::span<const double> leaf_potential(std::size_t edge) const { return leaves_[edge].f; }
  std::span<const double> centre_potential(std::size_t edge) const { return leaves_[edge].g; }
  double weight(std::size_t edge) const { return leaves_[edge].weight; }
  /// <c, P_k> of one edge, without the weight.
  double linear_cost(std::size_t edge, const std::function<void()>& poll) const;

 private:
  struct Leaf {
    const Cloud* cloud;
    const Kernel* kernel;
    double weight, total;         // of the problem; mass of the cloud
    std::vector<double> f, rows;  // rows: the balanced update of f
    std::vector<double> g, columns;
  };
  void begin(const std::function<void()>& poll);
  void sweep(const std::function<void()>& poll);
  void update_leaf(Leaf& leaf, double factor) const;
  void update_centre(double factor);
  void fit_mass(double factor);
  double dual_objective(double plans) const;
  void finish_sweep(double factor, double measured);
  double measure(double factor, const std::function<void()>& poll);
  void next_stage();
  double leaf_error(const Leaf& leaf) const;
  double spread(const Leaf& leaf) const;
  double own_error();
  double resolution() const;
  void check(std::span<const double> values) const;
  bool balanced() const { return options_.rho == std::numeric_limits<double>::infinity(); }

  const parallel::Communicator& comm_;
  const Cloud& centre_;
  const Kernel* own_;
  BregmanOptions options_;
  std::vector<Leaf> leaves_;
  double centre_total_ = 1;      // mass of the reference
  double epsilon_ = 1;           // the running one
  std::vector<double> density_;  // eps log(b / m_z)
  std::vector<double> q_, own_rows_;
  OverRelaxation relaxation_;
  BregmanReport report_;
  double previous_dual_ = -std::numeric_limits<double>::infinity();
  std::int64_t stage_sweeps_ = 0;  // at the running regularisation
  bool begun_ = false, finished_ = false;
};

}  // namespace mensura::transport
