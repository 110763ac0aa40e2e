// SPDX-License-Identifier: BSD-3-Clause
#include "linear/subspace.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "linear/lane_sums.hpp"
#include "parallel/error.hpp"
#include "parallel/exact_sum.hpp"

extern "C" {
void dsyev_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w,
            double* work, const int* lwork, int* info);
}

namespace mensura::linear {

namespace {

constexpr std::size_t lanes = 8;
using Tile = std::array<Eight, lanes>;

// a_i . b_j of eight and eight vectors; entry i holds all j.
Tile tile(std::span<const Eight> a, std::span<const Eight> b) {
  Tile sums;
  sums.fill(all(0));
  for (std::size_t row = 0; row < a.size(); ++row) {
    for (std::size_t i = 0; i < lanes; ++i) sums[i] = fused(all(lane(a[row], i)), b[row], sums[i]);
  }
  return sums;
}

// Upper Cholesky factor R of a Gram matrix, row-major; a pivot below `least` of the diagonal entry
// is zero, and so are its row and column then.
std::vector<double> gram_factor(std::size_t n, std::span<const double> gram, double least) {
  std::vector<double> upper(n * n, 0.0);
  for (std::size_t j = 0; j < n; ++j) {
    double pivot = gram[j * n + j];
    for (std::size_t i = 0; i < j; ++i) {
      if (upper[i * n + i] == 0) continue;
      double entry = gram[i * n + j];
      for (std::size_t k = 0; k < i; ++k) entry -= upper[k * n + i] * upper[k * n + j];
      upper[i * n + j] = entry / upper[i * n + i];
      pivot -= upper[i * n + j] * upper[i * n + j];
    }
    if (pivot > least * gram[j * n + j]) {
      upper[j * n + j] = std::sqrt(pivot);
    } else {
      for (std::size_t i = 0; i < j; ++i) upper[i * n + j] = 0;
    }
  }
  return upper;
}

}  // namespace

std::vector<double> inner_products(const parallel::Communicator& comm, const EightVectors& a,
                                   const EightVectors& b) {
  const std::size_t columns = lanes * b.size();
  std::vector<parallel::ExactSum> sums(lanes * a.size() * columns);
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      const Tile products = tile(a[i], b[j]);
      for (std::size_t k = 0; k < lanes * lanes; ++k) {
        sums[(lanes * i + k / lanes) * columns + lanes * j + k % lanes].add(
            lane(products[k / lanes], k % lanes));
      }
    }
  }
  parallel::reduce(comm, sums);
  std::vector<double> result;
  result.reserve(sums.size());
  for (const parallel::ExactSum& sum : sums) result.push_back(sum.value());
  return result;
}

void combine(EightVectors& vectors, std::span<const double> matrix) {
  const std::size_t blocks = vectors.size(), n = lanes * blocks;
  if (blocks == 0) return;
  alignas(64) std::array<double, lanes> piece;
  std::vector<Eight> coefficients(n * blocks), before(blocks);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t b = 0; b < blocks; ++b) {
      for (std::size_t l = 0; l < lanes; ++l) piece[l] = matrix[i * n + lanes * b + l];
      coefficients[i * blocks + b] = load(piece.data());
    }
  }
  for (std::size_t row = 0; row < vectors.front().size(); ++row) {
    for (std::size_t b = 0; b < blocks; ++b) before[b] = vectors[b][row];
    for (std::size_t b = 0; b < blocks; ++b) {
      Eight sum = all(0);
      for (std::size_t i = 0; i < n; ++i) {
        sum = fused(all(lane(before[i / lanes], i % lanes)), coefficients[i * blocks + b], sum);
      }
      vectors[b][row] = sum;
    }
  }
}

Spectrum symmetric_eigen(const parallel::Communicator& comm, std::size_t n,
                         std::span<const double> matrix) {
  Spectrum result{std::vector<double>(n), std::vector<double>(n * n)};
  bool good = true;
  if (comm.is_root()) {
    const int size = static_cast<int>(n), room = std::max(1, 64 * size);
    std::vector<double> columns(matrix.begin(), matrix.end()), ascending(n),
        work(static_cast<std::size_t>(room));
    int info = 0;
    dsyev_("V", "L", &size, columns.data(), &size, ascending.data(), work.data(), &room, &info);
    good = info == 0;
    for (std::size_t j = 0; j < n; ++j) {
      result.values[j] = ascending[n - 1 - j];
      for (std::size_t i = 0; i < n; ++i) {
        result.vectors[i * n + j] = columns[(n - 1 - j) * n + i];
      }
    }
  }
  parallel::agree(comm, [&] {
    if (good) return;
    throw parallel::Error(parallel::ExitCode::numerical,
                          "the eigenvalues of a small matrix did not converge: it is not finite");
  });
  comm.broadcast(std::span(result.values));
  comm.broadcast(std::span(result.vectors));
  return result;
}

std::size_t orthonormalise(const parallel::Communicator& comm, EightVectors& vectors,
                           double least) {
  const std::size_t n = lanes * vectors.size();
  std::size_t rank = 0;
  for (int pass = 0; pass < 2; ++pass) {
    const std::vector<double> gram = inner_products(comm, vectors, vectors);
    const std::vector<double> upper = gram_factor(n, gram, least);
    // vectors R^-1, column by column; columns without a pivot are zero.
    std::vector<double> inverse(n * n, 0.0);
    rank = 0;
    for (std::size_t j = 0; j < n; ++j) {
      if (upper[j * n + j] == 0) continue;
      ++rank;
      inverse[j * n + j] = 1 / upper[j * n + j];
      for (std::size_t i = j; i-- > 0;) {
        if (upper[i * n + i] == 0) continue;
        double sum = 0;
        for (std::size_t k = i + 1; k <= j; ++k) sum -= upper[i * n + k] * inverse[k * n + j];
        inverse[i * n + j] = sum / upper[i * n + i];
      }
    }
    combine(vectors, inverse);
  }
  return rank;
}

}  // namespace mensura::linear
