// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The function at a point. Points are logarithms of parameters; theirs are multiples of 2^-30.
struct HyperEvaluation {
  std::vector<double> at;
  double value = 0;           ///< to be made large; NaN: it could not be evaluated
  double standard_error = 0;  ///< of the value
  double log_scale = 0;       ///< a companion whose slope is wanted too
};

struct HyperSearchSpec {
  std::vector<double> lower, upper;         ///< bounds, lower < upper
  std::vector<std::vector<double>> starts;  ///< at least one
  bool profile = true;
};

/// Where the search from one start ended.
struct HyperEnd {
  enum class Kind { failed, unfinished, converged, joined };
  Kind kind = Kind::failed;
  std::vector<double> at;
  double value = 0;
};

struct ProfilePoint {
  double parameter = 0, value = 0;
};

struct HyperOptimum {
  HyperEvaluation best;
  std::vector<int> bound;          ///< of each parameter: -1 at its lower bound, 1 at its upper
  std::vector<double> covariance;  ///< inverse Hessian of -value; 0 at bounds, NaN where it is flat
  std::vector<double> scale_slope;                 ///< of log_scale in the parameters
  std::vector<std::vector<ProfilePoint>> profile;  ///< of each parameter
};

/// Maximises a smooth function of a few parameters between bounds from several starts, with its
/// curvature and profile at the best end. The function is evaluated outside, one point at a time:
/// next() names a point, add() gives the value. All that the search knows are these values - it is
/// run from the beginning over them each time and stopped where one is missing - so that they are
/// all that a checkpoint needs.
///
/// From each start PETSc's TAO (BNTR, prefix gp_hyper_: Newton's method with a trust region and
/// active bounds) with first and second differences, half a standard deviation long along the axes
/// of the curvature at the iterate before. A search has converged when a Newton step would gain
/// less than 1e-3: a distance below 0.05 standard deviations. It joins an earlier one that it comes
/// close to. The best end wins.
///
/// The profile of a parameter follows the maximum over the others as the curvature has it: nine
/// points theta + t C_i / C_ii, |t| up to three deviations, C the covariance, inside the bounds.
class HyperSearch {
 public:
  /// Local. The communicator must outlive the search.
  HyperSearch(const parallel::Communicator& comm, HyperSearchSpec spec);

  /// Collective. Throws Error{usage} when PETSc refuses the options of the search (gp_hyper_).
  static void check_options(const parallel::Communicator& comm);

  /// Collective. The point where the function is wanted; nothing when the search is done. The first
  /// rank decides.
  std::optional<std::vector<double>> next();
  /// Collective. The value of the first rank holds.
  void add(HyperEvaluation evaluation);

  /// Local. In the order of add().
  const std::vector<HyperEvaluation>& evaluations() const noexcept { return evaluations_; }
  const HyperSearchSpec& spec() const noexcept { return spec_; }
  /// Local. Of the starts that are done.
  const std::vector<HyperEnd>& ends() const noexcept { return ends_; }
  /// Local. Once done; nothing when every start failed.
  const std::optional<HyperOptimum>& optimum() const noexcept { return optimum_; }

 private:
  using Key = std::vector<std::int64_t>;
  class Replay;
  static Key key_of(const std::vector<double>& at);
  std::vector<double> pack() const;
  void unpack(const std::vector<double>& numbers);

  const parallel::Communicator& comm_;
  HyperSearchSpec spec_;
  std::vector<HyperEvaluation> evaluations_;
  std::map<Key, std::size_t> known_;
  std::vector<HyperEnd> ends_;
  std::optional<HyperOptimum> optimum_;
};

}  // namespace mensura::gp
