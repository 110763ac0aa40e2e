// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/conditioner.hpp"
#include "gp/covariance.hpp"
#include "gp/problem.hpp"

namespace mensura::gp {

/// The reference: one dense Cholesky factor of the measurements' covariance, exact kernel sums for
/// the mean (reference gp_pde 3.1), for samples and variances a second one of all state rows'
/// covariance. Every rank holds and factors the same matrices, so that the answer does not depend
/// on ranks; for at most `most_rows` points.
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
  void adopt(const Measurements& measurements, const std::function<void()>& poll) override;
  void precondition(std::span<const double> r, std::span<double> z,
                    const std::function<void()>& poll) override;
  void draw_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) override;
  void apply_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) override;
  linear::BlockReport condition_block(std::span<const linear::Eight> values,
                                      std::span<linear::Eight> rows, double tolerance,
                                      const std::function<void()>& poll) override;
  linear::BlockReport apply_posterior(std::span<linear::Eight> rows, const AllowedError& allowed,
                                      const std::function<void()>& poll) override;
  ConditionerMemory memory() const override;
  void remember(const ConditionerMemory& memory) override;
  double nonzeros_per_row() const override { return 0.5 * static_cast<double>(total_ + 1); }
  void record(output::Value& entry) const override;

 private:
  std::vector<double> replicate(std::span<const double> own_rows, int width) const;
  Rows measured_rows(std::span<const double> lift) const;
  void factor(const Measurements& measurements, const std::function<void()>& poll);
  std::vector<double> cholesky(const Rows& rows, std::span<const double> added, const char* what,
                               const std::function<void()>& poll);
  std::vector<double> sums(const Rows& rows);
  void number_rows();
  Rows all_rows() const;
  void find_prior(const std::function<void()>& poll);
  std::vector<double> all_of(std::span<const linear::Eight> own, bool by_point) const;
  void own_of(std::span<const double> all, std::span<linear::Eight> rows) const;

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
  std::vector<double> noise_;   // of all points
  std::vector<double> matrix_;  // Cholesky factor of the measurements' covariance
  double log_determinant_ = 0;
  // Once samples are drawn: the factor of all state rows' covariance, rows by point and kind.
  std::vector<double> prior_;
  std::vector<std::int64_t> first_row_;  // of all points, + 1
};

}  // namespace mensura::gp
