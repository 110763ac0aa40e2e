// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"

namespace mensura::linear {

/// Vectors of a distributed space, eight side by side: entry [b][row] holds those of numbers 8 b to
/// 8 b + 7 at this rank's row.
using EightVectors = std::vector<std::vector<Eight>>;

/// Collective. The inner products a_i . b_j, row-major (8 a.size()) x (8 b.size()). Rounded like
/// any sum of as many terms: on another number of ranks equal to rounding.
std::vector<double> inner_products(const parallel::Communicator& comm, const EightVectors& a,
                                   const EightVectors& b);

/// Local. vectors := vectors M, M square and row-major.
void combine(EightVectors& vectors, std::span<const double> matrix);

/// Eigenvalues in descending order and eigenvectors (columns of a row-major n x n matrix).
struct Spectrum {
  std::vector<double> values, vectors;
};

/// Collective; the same symmetric n x n matrix (row-major) on all ranks. Solved on one rank, so
/// that all have the same bits.
Spectrum symmetric_eigen(const parallel::Communicator& comm, std::size_t n,
                         std::span<const double> matrix);

/// Collective. Orthonormalises the vectors one after another, as Gram and Schmidt do, by Cholesky
/// factors of Gram matrices, twice (CholeskyQR2, Yamamoto et al. 2015): every vector depends
/// continuously on those before, so that ranks agree to rounding times least^-1/2. A vector of
/// which those before leave less than `least` of its squared length becomes zero. Returns how many
/// are left.
std::size_t orthonormalise(const parallel::Communicator& comm, EightVectors& vectors,
                           double least = 1e-12);

}  // namespace mensura::linear
