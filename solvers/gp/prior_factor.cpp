// SPDX-License-Identifier: BSD-3-Clause
#include "gp/prior_factor.hpp"

namespace mensura::gp {

PriorFactor::PriorFactor(const parallel::Communicator& comm, const Pattern& pattern,
                         const RowLayout& layout, const RowWeights& weights, Covariance& covariance,
                         double nugget, const std::function<void()>& poll)
    : factor_(comm, pattern, layout, poll) {
  try {
    solver_ = std::make_unique<linear::TriangularSolver>(comm, factor_.lower(),
                                                         factor_.elimination(), poll);
    factor_.compute(comm, weights, covariance, nugget, poll, {}, &variance_);
  } catch (...) {
    // All ranks are here together, so that the PETSc objects can still be destroyed in order; while
    // the exception unwinds the constructor they would be left to a communicator that is freed.
    solver_.reset();
    factor_.release();
    throw;
  }
  statistics_ = factor_.statistics(comm);
  forward_ = solver_->forward_statistics();
  backward_ = solver_->backward_statistics();
}

void PriorFactor::apply(Vec rows) const {
  solver_->solve_transposed(rows, rows);  // U^-1
  solver_->solve(rows, rows);             // U^-T
}

void PriorFactor::apply(std::span<linear::Eight> rows) const {
  solver_->solve_transposed(rows);
  solver_->solve(rows);
}

void PriorFactor::draw(std::span<linear::Eight> rows) const {
  solver_->solve(rows);
}

}  // namespace mensura::gp
