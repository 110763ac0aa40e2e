// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/conditioner.hpp"
#include "gp/covariance.hpp"
#include "gp/problem.hpp"

namespace mensura::gp {

/// The reference: one dense Cholesky factor of the measurements' covariance, exact kernel sums for
/// the mean (reference gp_pde 3.1). Every rank holds and factors the same matrix, so that the
/// answer does not depend on ranks; for at most `most_rows` rows.
class DenseConditioner final : public Conditioner {
 public:
  static constexpr std::int64_t most_rows = 20000;

  /// Collective. References must outlive the conditioner. Throws Error{too_large} on all ranks.
  DenseConditioner(const parallel::Communicator& comm, const Pattern& pattern,
                   const RowLayout& layout, const RowWeights& weights, const Prior& prior,
                   double nugget);

  SolveReport condition(const Measurements& measurements, double distance, std::span<double> state,
                        const std::function<void()>& poll) override;
  double log_determinant(const std::function<void()>& /*poll*/) override {
    return log_determinant_;
  }
  std::vector<double> mean_at(std::span<const double> coordinates,
                              const Functional& functional) override;
  ConditionerMemory memory() const override;
  void remember(const ConditionerMemory& memory) override;
  double nonzeros_per_row() const override { return 0.5 * static_cast<double>(total_ + 1); }
  void record(output::Value& entry) const override;

 private:
  std::vector<double> replicate(std::span<const double> own_rows, int width) const;
  Rows measured_rows(std::span<const double> lift) const;
  std::vector<double> factor(const Rows& measured, std::span<const double> noise,
                             const std::function<void()>& poll);
  std::vector<double> sums(const Rows& rows);

  const parallel::Communicator& comm_;
  const Pattern& pattern_;
  const RowLayout& layout_;
  const RowWeights& weights_;
  Covariance covariance_;
  double nugget_;
  std::int64_t total_ = 0;  // points
  std::vector<double> coordinates_;
  // Of the last solve: its lift (own rows), the functionals that it measured, their weights.
  std::vector<double> lift_;
  Rows measured_;
  std::vector<double> alpha_;
  double log_determinant_ = 0;
};

}  // namespace mensura::gp
