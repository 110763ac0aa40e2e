// SPDX-License-Identifier: BSD-3-Clause
// Eight vectors at once: samples, modes and variances need many solves with one matrix.
#include <fmt/format.h>

#include <algorithm>

#include "gp/lift.hpp"
#include "gp/sparse_conditioner.hpp"
#include "linear/lane_sums.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

using linear::Eight;

namespace {

constexpr std::int64_t most_iterations = 500;

}  // namespace

void SparseConditioner::adopt(const Measurements& measurements, const std::function<void()>& poll) {
  prepare(measurements, poll);
}

void SparseConditioner::draw_prior(std::span<Eight> rows, const std::function<void()>& /*poll*/) {
  theta_.draw(rows);
}

void SparseConditioner::apply_prior(std::span<Eight> rows, const std::function<void()>& /*poll*/) {
  theta_.apply(rows);
}

void SparseConditioner::apply_operator(std::span<const Eight> x, std::span<Eight> y) {
  lift_to_rows(layout_, lift_, x.data(), x.size(), big_eight_.data());
  theta_.apply(std::span(big_eight_));
  restrict_to_points(layout_, lift_, big_eight_.data(), y.size(), y.data());
  for (std::size_t p = 0; p < noise_variance_.size(); ++p) {
    y[p] = y[p] + noise_variance_[p] * x[p];
  }
}

void SparseConditioner::apply_preconditioner(std::span<const Eight> x, std::span<Eight> y) {
  small_product_->multiply(x, half_eight_);
  small_product_->multiply_transposed(half_eight_, y);
}

// Collective. What all blocks of eight need.
void SparseConditioner::make_blocks() {
  parallel::agree(comm_, [&] {
    big_eight_.resize(static_cast<std::size_t>(layout_.own));
    half_eight_.resize(static_cast<std::size_t>(pattern_.own));
  });
  if (!small_product_) {
    small_product_ = std::make_unique<linear::BlockProduct>(comm_, small_.lower());
  }
}

// (S' Theta S + R) alpha = values.
linear::BlockReport SparseConditioner::solve_block(std::span<const Eight> values,
                                                   std::span<Eight> alpha,
                                                   const linear::BlockGoal& goal,
                                                   const std::function<void()>& poll) {
  make_blocks();
  linear::BlockReport report;
  for (bool again = true; again && !report.converged;) {
    report = linear::block_conjugate_gradients(
        comm_, [this](auto x, auto y) { apply_operator(x, y); },
        [this](auto x, auto y) { apply_preconditioner(x, y); }, values, alpha, goal,
        most_iterations, poll);
    again = !report.converged && outdated();
    if (again) factor_small(poll);
  }
  if (!report.converged) {
    throw parallel::Error(
        parallel::ExitCode::not_converged,
        fmt::format("conjugate gradients for the posterior stopped after {} iterations with "
                    "residual {:.3g}; raise factor.radius (the preconditioner is too weak)",
                    report.iterations, std::ranges::max(report.residual)));
  }
  return report;
}

linear::BlockReport SparseConditioner::condition_block(std::span<const Eight> values,
                                                       std::span<Eight> rows, double tolerance,
                                                       const std::function<void()>& poll) {
  std::vector<Eight> alpha;
  parallel::agree(comm_, [&] { alpha.resize(values.size()); });
  const linear::BlockReport report = solve_block(values, alpha, {.tolerance = tolerance}, poll);
  lift_to_rows(layout_, lift_, alpha.data(), alpha.size(), rows.data());
  theta_.apply(rows);
  return report;
}

linear::BlockReport SparseConditioner::apply_posterior(std::span<Eight> rows,
                                                       const AllowedError& allowed,
                                                       const std::function<void()>& poll) {
  std::vector<Eight> before, values, alpha;
  parallel::agree(comm_, [&] {
    before.assign(rows.begin(), rows.end());
    values.resize(static_cast<std::size_t>(pattern_.own));
    alpha.resize(values.size());
  });
  theta_.apply(rows);
  const auto whole = linear::dot(comm_, before, rows);
  restrict_to_points(layout_, lift_, rows.data(), values.size(), values.data());
  const linear::BlockReport report =
      solve_block(values, alpha, {.whole = &whole, .allowed = allowed}, poll);
  lift_to_rows(layout_, lift_, alpha.data(), alpha.size(), before.data());
  theta_.apply(std::span(before));
  for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = rows[r] - before[r];
  return report;
}

}  // namespace mensura::gp
