// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "gp/equation.hpp"
#include "gp/state_rows.hpp"
#include "linear/handles.hpp"
#include "linear/product.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The linear map from a state to the value of one functional at any points: each target is
/// appended to the elimination order and conditioned on all rows of its nearest points (reference
/// gp_pde 3.2 (i)), so that its weights are w = K^-1 k with K the covariance of those rows and k
/// theirs with the target. A target that is itself a row of the state has the weight one there. The
/// weights are the same bits on any number of ranks; products differ in the order of their sums.
/// Targets may be held by any rank and coincide.
class Interpolation {
 public:
  /// Collective. `targets`: row-major, any number per rank. Throws Error{numerical} on all ranks
  /// when a neighbourhood's covariance is not positive definite, Error{too_large} when PETSc cannot
  /// number the rows. `poll` is called collectively every few seconds.
  Interpolation(const parallel::Communicator& comm, const StateRows& state,
                std::span<const double> targets, const std::function<void()>& poll,
                const Functional& functional = {.value = 1});
  Interpolation(const Interpolation&) = delete;
  Interpolation& operator=(const Interpolation&) = delete;

  /// Bytes that one of `ranks` ranks needs for so many targets (over all ranks), the set-up
  /// included.
  static double bytes(int dimension, int state_rows, std::int64_t targets, int ranks);

  /// Collective. Values at this rank's targets, in their order, from own rows.
  std::vector<double> multiply(std::span<const double> state) const;
  std::vector<linear::Eight> multiply(std::span<const linear::Eight> state);
  /// Collective. Own rows: the transposed map of one number per target of this rank.
  std::vector<linear::Eight> multiply_transposed(std::span<const linear::Eight> targets);

  /// Local. What the neighbours' rows leave unknown, per target: k(x, x) - k' K^-1 k for the prior
  /// of unit scale; not below 0.
  std::span<const double> variance() const noexcept { return variance_; }

 private:
  void plan(std::span<const std::int64_t> first, std::span<const std::int64_t> targets,
            std::span<const std::int32_t> sites);
  template <class T>
  std::vector<T> to_targets(std::span<const T> sites) const;

  const parallel::Communicator& comm_;
  // One row per distinct place (site), on the rank that found its neighbours. places_ are the sites
  // that targets want, in the order in which they are sent, order_ the targets that arrive.
  linear::Matrix matrix_;
  std::size_t sites_ = 0, own_rows_ = 0;
  std::optional<linear::BlockProduct> product_;
  std::vector<std::int32_t> places_, order_;
  std::vector<std::int64_t> sent_, received_;  // per rank
  std::vector<double> variance_;
};

}  // namespace mensura::gp
