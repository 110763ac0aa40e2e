// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gp/conditioner.hpp"
#include "gp/pattern.hpp"
#include "gp/problem.hpp"
#include "gp/rows.hpp"
#include "linear/subspace.hpp"
#include "parallel/communicator.hpp"
#include "parallel/random.hpp"

namespace mensura::output {
class CheckpointReader;
class CheckpointWriter;
}  // namespace mensura::output

namespace mensura::gp {

/// Where the posterior is wanted: values that are linear in the state, up to a local variance of
/// their own. Numbered over the ranks: this one has [first, first + own) of `total`. Those of the
/// unknown fields at a point are adjacent.
struct Targets {
  std::int64_t own = 0, first = 0, total = 0;
  std::size_t fields = 1;
  /// Collective. Own rows -> own targets, and the transposed map.
  std::function<std::vector<linear::Eight>(std::span<const linear::Eight>)> values;
  std::function<std::vector<linear::Eight>(std::span<const linear::Eight>)> transposed;
  std::vector<double> local_variance;  ///< own targets; what the state does not tell
};

/// A row of the state that is a value of an unknown field at a point between the others: modes are
/// made of these.
struct ValueRow {
  std::int64_t row = 0;    ///< own row
  std::size_t point = 0;   ///< own point
  int field = 0;           ///< 0: u, 1: the second unknown
  double deviation = 1.0;  ///< under the prior
};

/// What a checkpoint holds of an unfinished posterior: this rank's blocks of points and targets.
struct PosteriorState {
  std::int64_t done = 0, rank = 0;
  std::vector<std::vector<double>> range, modes, samples;
  std::vector<double> squares, exact, coupling, turn;
  std::vector<std::int64_t> iterations;
  static PosteriorState load(const parallel::Communicator& comm,
                             const output::CheckpointReader& checkpoint);  ///< Collective.
  static bool in(const output::CheckpointReader& checkpoint);              ///< Collective.
};

/// How good the variance of a field is, over targets of which more than a thousandth of its mean
/// variance is unknown.
struct VarianceReport {
  /// Standard error of the variance over the variance, root mean square and maximum.
  double relative_error = 0, largest_relative_error = 0;
  double rest = 0;   ///< mean share of the variance that samples estimate
  double local = 0;  ///< mean share of the targets' own
};

/// How good variances are, and what they took.
struct PosteriorReport {
  std::int64_t modes = 0;                ///< dimension of the subspace that is treated exactly
  std::int64_t samples = 0;              ///< that the rest was estimated from
  std::vector<VarianceReport> fields;    ///< whose variances may be of very different sizes
  std::vector<std::int64_t> iterations;  ///< of every solve of eight systems
};

/// Variance and samples of the posterior of unit scale at the targets, about the mean. Samples by
/// Matheron's rule: a draw of the prior loses the state that its own measurements, with noise,
/// would give (reference gp_pde 4.6). Variances, one of
///   exact: the quadratic forms w' C w, eight at a time; conjugate gradients from zero err by the
///   square of their tolerance only;
///   modes: let Q be an orthonormal basis of about fifty smooth vectors: of Theta W with random W,
///   a randomised range finder of the prior (Halko, Martinsson and Tropp 2011). With Y = C Q and T
///   = Q' Y the variance is diag(Y T^-1 Y') + diag(R), exactly, for any Q; R is the covariance of
///   a sample less its regression on its coordinates in Q, so that the mean square of regressed
///   samples is an unbiased estimate of diag(R), of relative error sqrt(2 / samples). (Reference
///   gp_evidence_frequencies 1.5 has the case of Q = the largest modes of C, found by Lanczos
///   steps of solves; this one costs no solve, and leaves no more.)
/// Samples are interpolated from the state: smooth between the points, without the local variance
/// there. Random numbers belong to points and samples: the same on any number of ranks.
class Posterior {
 public:
  /// Collective. References must outlive the object; the conditioner has taken the measurements.
  Posterior(const parallel::Communicator& comm, const PosteriorSpec& spec, std::uint64_t seed,
            double tolerance, const Pattern& pattern, const RowLayout& layout,
            std::span<const double> lift, std::span<const double> noise, Conditioner& conditioner,
            std::vector<ValueRow> value_rows, Targets targets);

  /// Steps in all and done: about eight systems to solve in each.
  std::int64_t steps() const;
  std::int64_t done() const noexcept { return done_; }
  bool finished() const { return done_ == steps(); }
  /// Collective. One step. Throws what the conditioner throws.
  void advance(const std::function<void()>& poll);

  /// Collective, when finished. Own targets.
  std::vector<double> variance();
  const PosteriorReport& report() const noexcept { return report_; }
  /// Local. Samples of the deviation from the mean: [block][own target], eight in a block.
  const linear::EightVectors& samples() const noexcept { return samples_; }

  std::int64_t checkpoint_bytes() const;
  void save(output::CheckpointWriter& checkpoint) const;  ///< Collective.
  void resume(const PosteriorState& state);               ///< Collective, before advance().

 private:
  std::int64_t mode_blocks() const;
  std::int64_t variance_steps() const;
  std::int64_t sample_blocks() const;
  bool by_modes() const noexcept { return spec_.variance == VarianceMethod::modes; }
  std::vector<linear::Eight> scaled_values(std::span<const linear::Eight> rows) const;
  std::vector<linear::Eight> scaled_rows(std::span<const linear::Eight> values) const;
  std::vector<linear::Eight> normal_rows(const parallel::Stream& stream, std::int64_t block) const;
  void find_range(const std::function<void()>& poll);
  void find_modes(std::int64_t block, const std::function<void()>& poll);
  double sample_tolerance() const;
  double told(std::size_t target) const;
  VarianceReport assess(std::span<const double> variance, std::span<const double> rest,
                        std::size_t field) const;
  void draw(std::int64_t block, const std::function<void()>& poll);
  void exact(std::int64_t block, const std::function<void()>& poll);
  void make_basis();
  void regress(std::span<const linear::Eight> rows, std::span<const linear::Eight> values);

  const parallel::Communicator& comm_;
  PosteriorSpec spec_;
  std::uint64_t seed_;
  double tolerance_;
  const Pattern& pattern_;
  const RowLayout& layout_;
  std::span<const double> lift_, noise_;
  Conditioner& conditioner_;
  std::vector<ValueRow> value_rows_;
  std::int64_t value_total_ = 0;  // over all ranks
  Targets targets_;
  std::int64_t done_ = 0;
  linear::EightVectors range_;    // Q: value rows, in the prior's deviations
  linear::EightVectors modes_;    // Y at the targets; Y T^-1/2 once done
  std::vector<double> coupling_;  // T, row-major
  std::vector<double> turn_;      // T^-1/2: coordinates in Q -> weights of modes_
  std::int64_t rank_ = 0;
  linear::EightVectors samples_;
  std::vector<double> squares_;  // own targets: sum over samples of the regressed deviation squared
  std::vector<double> exact_;    // own targets
  PosteriorReport report_;
};

}  // namespace mensura::gp
