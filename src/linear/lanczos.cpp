// SPDX-License-Identifier: BSD-3-Clause
#include "linear/lanczos.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "linear/dense.hpp"
#include "linear/lane_sums.hpp"
#include "parallel/error.hpp"

namespace mensura::linear {

namespace {

// Size of what is left of A v after orthogonalisation, relative to it, that is rounding alone.
constexpr double exhausted = 1e-13;

// Coefficients of the tridiagonal matrices, by step and lane; a lane ends where its space does.
struct Tridiagonals {
  std::vector<Lanes> diagonal, beside;
  std::array<bool, 8> ended{};
  std::array<std::size_t, 8> size{};
};

// Local. z' log(A) z of one lane: |z|^2 times the sum over Ritz values of their weight times their
// logarithm; NaN where one is not positive.
double quadrature(const Tridiagonals& matrices, std::size_t lane, double square) {
  const std::size_t n = matrices.size[lane];
  std::vector<double> values(n), beside(n), weights(n);
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = matrices.diagonal[i][lane];
    beside[i] = matrices.beside[i][lane];
  }
  if (!tridiagonal_eigenvalues(values, beside, weights)) return NAN;
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += weights[i] * std::log(values[i]);
  return square * sum;
}

// Collective. From the first rank to all.
Lanes quadratures(const parallel::Communicator& comm, const Tridiagonals& matrices,
                  const Lanes& squares) {
  Lanes values{};
  if (comm.is_root()) {
    for (std::size_t l = 0; l < 8; ++l) {
      values[l] = squares[l] > 0 ? quadrature(matrices, l, squares[l]) : 0;
    }
  }
  comm.broadcast(std::span<double>(values));
  return values;
}

// Collective. The vectors of the process, each lane of unit norm (or zero, once it has ended).
class Basis {
 public:
  Basis(const parallel::Communicator& comm, std::size_t rows) : comm_(comm), rows_(rows) {}

  void push(std::span<const Eight> vector, const Lanes& factor) {
    parallel::agree(comm_, [&] { vectors_.emplace_back(rows_); });
    const Eight scale = eight_of(factor);
    for (std::size_t i = 0; i < rows_; ++i) vectors_.back()[i] = scale * vector[i];
  }
  std::span<const Eight> last() const { return vectors_.back(); }

  // Makes w orthogonal to all vectors; returns what it had of the last one.
  Lanes orthogonalise(std::span<Eight> w) const {
    std::vector<parallel::ExactSum> sums(8 * vectors_.size());
    for (std::size_t v = 0; v < vectors_.size(); ++v) {
      add_products(vectors_[v], w, std::span<parallel::ExactSum, 8>(&sums[8 * v], 8));
    }
    parallel::reduce(comm_, sums);
    Lanes part{};
    for (std::size_t v = 0; v < vectors_.size(); ++v) {
      for (std::size_t l = 0; l < 8; ++l) part[l] = sums[8 * v + l].value();
      const Eight factor = eight_of(part);
      for (std::size_t i = 0; i < rows_; ++i) w[i] = w[i] - factor * vectors_[v][i];
    }
    return part;
  }

 private:
  const parallel::Communicator& comm_;
  std::size_t rows_;
  std::vector<std::vector<Eight>> vectors_;
};

// Collective. One step: w = A v made orthogonal, the new row of the tridiagonal matrices, and the
// inverse norms of what follows (0 for lanes that end).
Lanes step(const parallel::Communicator& comm, const Basis& basis, std::span<Eight> w,
           Tridiagonals& matrices) {
  const Lanes before = dot(comm, w, w);
  Lanes diagonal = basis.orthogonalise(w);
  const Lanes rest = basis.orthogonalise(w);  // twice is enough (Giraud et al. 2005)
  const Lanes after = dot(comm, w, w);
  Lanes beside{}, inverse{};
  for (std::size_t l = 0; l < 8; ++l) {
    diagonal[l] += rest[l];
    if (matrices.ended[l]) continue;
    ++matrices.size[l];
    beside[l] = std::sqrt(after[l]);
    matrices.ended[l] = !(beside[l] > exhausted * std::sqrt(before[l]));
    if (!matrices.ended[l]) inverse[l] = 1 / beside[l];
  }
  matrices.diagonal.push_back(diagonal);
  matrices.beside.push_back(beside);
  return inverse;
}

}  // namespace

double LogForms::mean() const {
  double sum = 0;
  for (const double v : value) sum += v;
  return sum / 8;
}

double LogForms::standard_error() const {
  const double middle = mean();
  double squares = 0;
  for (const double v : value) squares += (v - middle) * (v - middle);
  return std::sqrt(squares / (8 * 7));
}

LogForms log_forms(const parallel::Communicator& comm, const BlockOperator& apply,
                   std::span<const Eight> z, const QuadratureLimits& limits,
                   const std::function<void()>& poll) {
  Tridiagonals matrices;
  Basis basis(comm, z.size());
  std::vector<Eight> w;
  parallel::agree(comm, [&] { w.resize(z.size()); });
  const Lanes squares = dot(comm, z, z);
  Lanes inverse{};
  for (std::size_t l = 0; l < 8; ++l) {
    matrices.ended[l] = !(squares[l] > 0);
    if (!matrices.ended[l]) inverse[l] = 1 / std::sqrt(squares[l]);
  }
  basis.push(z, inverse);
  LogForms forms;
  for (forms.steps = 1;; ++forms.steps) {
    poll();
    apply(basis.last(), w);
    inverse = step(comm, basis, w, matrices);
    const double earlier = forms.mean();
    forms.value = quadratures(comm, matrices, squares);
    forms.change = std::abs(forms.mean() - earlier);
    if (!std::isfinite(forms.mean())) {
      throw parallel::Error(
          parallel::ExitCode::numerical,
          fmt::format("Lanczos quadrature of a log determinant: an eigenvalue after {} step(s) is "
                      "not positive: the matrix is not positive definite",
                      forms.steps));
    }
    const double wanted = std::max(limits.of_error * forms.standard_error(), limits.absolute);
    const bool ended = std::ranges::all_of(matrices.ended, [](bool is) { return is; });
    const bool settled = forms.steps >= limits.least && forms.change <= wanted;
    if (ended || settled || forms.steps == limits.most) return forms;
    basis.push(w, inverse);
  }
}

}  // namespace mensura::linear
