// SPDX-License-Identifier: BSD-3-Clause
// log det (S' Theta S + R), that of the operator which the solves use.
#include <cmath>
#include <vector>

#include "gp/sparse_conditioner.hpp"
#include "linear/lanczos.hpp"
#include "linear/lane_sums.hpp"
#include "parallel/error.hpp"
#include "parallel/random.hpp"

namespace mensura::gp {

using linear::Eight;

namespace {

// Eight vectors of independent signs, by the ids of own points: the same for all hyper-parameters,
// so that evidences differ smoothly, and on any number of ranks.
std::vector<Eight> random_signs(const Pattern& pattern) {
  const parallel::Stream stream(1, "gp", "determinant");
  std::vector<Eight> signs;
  signs.reserve(static_cast<std::size_t>(pattern.own));
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    const std::uint64_t bits = stream.words(pattern.ids[p], 0)[0];
    linear::Lanes lanes{};
    for (std::size_t l = 0; l < lanes.size(); ++l) lanes[l] = ((bits >> l) & 1U) != 0 ? 1.0 : -1.0;
    signs.push_back(linear::eight_of(lanes));
  }
  return signs;
}

}  // namespace

// With any triangular U_s, log det A = -2 sum log U_jj + tr log(U_s' A U_s), and the trace is small
// and cheap to estimate as far as the factor is good.
LogDeterminant SparseConditioner::log_determinant(const std::function<void()>& poll) {
  if (outdated()) factor_small(poll);
  make_blocks();
  std::vector<Eight> signs, left, right;
  parallel::agree(comm_, [&] {
    signs = random_signs(pattern_);
    left.resize(signs.size());
    right.resize(signs.size());
  });
  const auto apply = [&](std::span<const Eight> x, std::span<Eight> y) {
    small_product_->multiply_transposed(x, left);
    apply_operator(left, right);
    small_product_->multiply(right, y);
  };
  const linear::LogForms forms = linear::log_forms(comm_, apply, signs, {}, poll);
  return {small_.log_determinant(comm_) + forms.mean(),
          std::hypot(forms.standard_error(), forms.change)};
}

}  // namespace mensura::gp
