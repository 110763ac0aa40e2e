// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "gp/averages.hpp"
#include "gp/conditioner.hpp"
#include "linear/subspace.hpp"

namespace mensura::gp {

/// Conditions on averages as well, exactly and after the rest: with mean m and covariance C of the
/// state given the measurements at points, and averages y2 = G state + errors of covariance R2,
///   S = G C G' + R2,  mean = m + C G' S^-1 (y2 - G m),  covariance = C - C G' S^-1 G C,
/// and the evidence is that of the points times that of y2 - G m under S. C G' takes a linear solve
/// per average, eight at once; it is kept, O(rows x averages / ranks) numbers, and so is S on every
/// rank. The mean does not need it to be the present one: an S of an earlier linearisation leads to
/// the same mean by iterative refinement as long as functionals have moved little.
class UpdatedConditioner final : public Conditioner {
 public:
  /// Collective. `tolerance`: of the solves for C G', in the deviation of u under the prior, which
  /// is `deviation`. `layout` outlives the conditioner. Throws
  /// Error{too_large} on all ranks when C G' and S do not fit.
  UpdatedConditioner(const parallel::Communicator& comm, const RowLayout& layout,
                     std::unique_ptr<Conditioner> base, std::shared_ptr<Averages> averages,
                     double tolerance, double deviation);

  /// Bytes that one of `ranks` ranks needs for so many averages over so many state rows.
  static double bytes(std::int64_t rows, std::int64_t averages, int ranks);

  SolveReport condition(const Measurements& measurements, double distance, std::span<double> state,
                        const std::function<void()>& poll) override;
  LogDeterminant log_determinant(const std::function<void()>& poll) override;
  /// None: averages are known to the state only.
  std::vector<double> mean_at(std::span<const double>, const Functional&) override { return {}; }
  void precondition(std::span<const double> r, std::span<double> z,
                    const std::function<void()>& poll) override {
    base_->precondition(r, z, poll);
  }
  void adopt(const Measurements& measurements, const std::function<void()>& poll) override;
  void draw_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) override;
  void apply_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) override;
  Conditioner& without_averages() override { return *base_; }
  std::span<const double> noise_beside() const override { return averages_->noise(); }
  std::vector<linear::Eight> measure_beside(std::span<const linear::Eight> rows) override;
  linear::BlockReport condition_block(std::span<const linear::Eight> values,
                                      std::span<linear::Eight> rows, double tolerance,
                                      const std::function<void()>& poll) override;
  linear::BlockReport condition_all(std::span<const linear::Eight> values,
                                    std::span<const linear::Eight> beside,
                                    std::span<linear::Eight> rows, double tolerance,
                                    const std::function<void()>& poll) override;
  /// `allowed` is asked for what the points leave, before the averages.
  linear::BlockReport apply_posterior(std::span<linear::Eight> rows, const AllowedError& allowed,
                                      const std::function<void()>& poll) override;
  ConditionerMemory memory() const override { return base_->memory(); }
  void remember(const ConditionerMemory& memory) override;
  bool adapts() const override { return base_->adapts(); }
  double nonzeros_per_row() const override { return base_->nonzeros_per_row(); }
  void record(output::Value& entry) const override;

 private:
  bool correct(SolveReport& report, std::span<const double> before, std::span<double> state,
               const std::function<void()>& poll);
  std::int64_t add_response(std::span<const double> weights, double relative,
                            std::span<double> state, const std::function<void()>& poll);
  void update(const std::function<void()>& poll);
  void factor(const std::function<void()>& poll);
  void solve(std::span<double> vectors) const;
  std::vector<double> weights_of(std::span<const linear::Eight> beside) const;
  void add(std::span<const double> weights, double sign, std::span<linear::Eight> rows) const;

  const parallel::Communicator& comm_;
  std::size_t rows_;
  std::unique_ptr<Conditioner> base_;
  std::shared_ptr<Averages> averages_;
  double tolerance_, deviation_;
  linear::EightVectors columns_;  // C G'
  std::size_t stride_ = 0;
  std::vector<double> schur_;    // S, then its Cholesky factor (row-major, upper)
  double asymmetry_ = 0;         // of the S that was found, relative to its largest entry
  std::int64_t iterations_ = 0;  // for C G'
  bool known_ = false;           // there is an S, maybe of an earlier linearisation
  bool current_ = false;         // it and C G' are those of the present one
};

}  // namespace mensura::gp
