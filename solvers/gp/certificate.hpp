// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gp/conditioner.hpp"
#include "gp/exact_system.hpp"
#include "gp/state_blocks.hpp"
#include "output/checkpoint.hpp"
#include "output/record.hpp"
#include "run/job.hpp"

namespace mensura::gp {

/// How well a solution satisfies the exact linear system A alpha = y (ExactSystem).
struct CertifiedResidual {
  struct Part {
    double norm = std::numeric_limits<double>::quiet_NaN();  ///< of y - A alpha, over that of all y
    double maximum = 0;  ///< largest |y - A alpha|, over the largest |y| of all
  };
  Part whole{};
  std::array<Part, 3> kind{};  ///< boundary, interior, data points
};

/// The residual of the last linear system under the exact prior covariance, and its refinement
/// where it is asked for: conjugate gradients with the exact matrix, preconditioned by the factors
/// (flexible ones, Notay 2000, with one direction), until the residual, recomputed, meets the
/// tolerance. One advance() is one product with the exact matrix.
class Certificate {
 public:
  /// What a checkpoint held, until the set-up is there to take it.
  struct Saved {
    std::vector<double> lift, points;  ///< this rank's blocks: points x rows, points x numbers
    std::vector<double> reals;
    std::vector<std::int64_t> counts;
  };

  /// Collective. References must outlive the certificate. `width`: most rows of a point.
  Certificate(const parallel::Communicator& comm, const StateRows& rows, double tolerance,
              Conditioner& conditioner, int width);

  /// Collective. The system to certify and its solution (own points). `refinements`: most steps.
  void begin(const Measurements& measurements, std::vector<double> alpha, int refinements);
  /// Collective. Goes on where another run stopped; one that had ended short of the tolerance takes
  /// up again what `refinements` leave.
  void resume(const Saved& saved, int refinements);

  bool finished() const noexcept { return phase_ == Phase::finished; }
  /// Nothing was to be refined, or the residual met the tolerance.
  bool converged() const noexcept { return limit_ == 0 || residual_.whole.norm <= tolerance_; }
  /// The answer is that of the exact covariance: state() and mean_at() hold, once finished.
  bool exact() const noexcept { return limit_ > 0; }

  /// Collective. One product with the exact matrix. Warns when the refinement ends short of its
  /// tolerance.
  void advance(run::Context& context);

  const CertifiedResidual& residual() const noexcept { return residual_; }
  std::int64_t steps() const noexcept { return steps_; }
  double quadratic() const noexcept { return quadratic_; }           ///< y' alpha
  std::span<const double> state() const noexcept { return state_; }  ///< own rows: K S alpha
  /// Collective. The mean of a functional of the unknown fields at any points (row-major), by exact
  /// sums.
  std::vector<double> mean_at(std::span<const double> coordinates, const Functional& functional,
                              const std::function<void()>& poll);

  void save(output::CheckpointWriter& checkpoint) const;  ///< Collective.
  /// Collective. Null when the checkpoint has none.
  static std::unique_ptr<Saved> load(const parallel::Communicator& comm,
                                     const output::CheckpointReader& checkpoint);
  std::int64_t checkpoint_bytes() const { return bytes(blocks_.total(), blocks_.width()); }
  /// Local. What a checkpoint of so many points holds, all ranks.
  static std::int64_t bytes(std::int64_t points, int width);
  void record(output::Record& record) const;  ///< Local.
  std::string line() const;                   ///< Local. What to watch.

 private:
  enum class Phase : std::int64_t { certify, refine, finished };
  void certify(run::Context& context);
  void refine(run::Context& context);
  bool precondition(std::span<double> z, const std::function<void()>& poll);
  void compare();
  void decide(run::Context& context);

  const parallel::Communicator& comm_;
  const Pattern& pattern_;
  Conditioner& conditioner_;
  ExactSystem system_;
  StateBlocks blocks_;
  double nugget_, tolerance_;
  Phase phase_ = Phase::finished;
  std::int64_t limit_ = 0, steps_ = 0;
  Measurements measurements_;
  double size_ = 0;  // norm of the data
  // Own points: the solution, y - A alpha, the last direction and its product with A (or empty).
  std::vector<double> alpha_, rest_, direction_, image_;
  bool adopted_ = false;       // the conditioner knows the functionals
  std::vector<double> state_;  // own rows
  CertifiedResidual residual_;
  double quadratic_ = 0;
  double recomputed_ = 0;          // the residual, when it was last recomputed; 0: not yet
  std::vector<double> residuals_;  // after every step, as the recurrence has them
  std::string broken_;             // why the refinement cannot go on
  double earlier_seconds_ = 0, earlier_pairs_ = 0;  // of the runs before a restart
};

}  // namespace mensura::gp
