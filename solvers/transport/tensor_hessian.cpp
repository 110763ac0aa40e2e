// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tensor_hessian.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "linear/dense.hpp"

namespace mensura::transport {

namespace {

// Eigenvalues below it are those of the kernel, or of parts of the plan that hardly communicate.
constexpr double ridge = 1e-13;
constexpr int most_iterations = 100;

double dot(const std::vector<double>& x, const std::vector<double>& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

}  // namespace

TensorHessian::TensorHessian(const parallel::Communicator& comm, const TensorSlices& slices,
                             const NodeFields& phi, double epsilon,
                             const std::function<void()>& poll)
    : comm_(comm) {
  std::vector<std::size_t> starts;
  for (const auto& node : phi) {
    starts.push_back(size_);
    size_ += node.size();
    marginals_.emplace_back(node.size(), 0.0);
  }
  parallel::agree(comm, [&] { matrix_.assign(comm.is_root() ? size_ * size_ : 0, 0.0); });
  for (std::size_t k = 0; k < phi.size(); ++k) {
    for (std::size_t l = k + 1; l < phi.size(); ++l) {
      const std::vector<double> pair = slices.pair(k, l, phi, epsilon, poll);
      const std::size_t m = phi[l].size();
      for (std::size_t i = 0; i < pair.size(); ++i) {
        if (l == k + 1) marginals_[k][i / m] += pair[i];
        if (k == 0 && l + 1 == phi.size()) marginals_[l][i % m] += pair[i];
        if (!comm.is_root()) continue;
        const std::size_t row = starts[k] + i / m, column = starts[l] + i % m;
        matrix_[row * size_ + column] = matrix_[column * size_ + row] = pair[i];
      }
    }
  }
  for (const auto& node : marginals_) {
    for (const double p : node) scale_.push_back(1 / std::sqrt(p));
  }
  std::int64_t factored = 1;
  parallel::agree(comm, [&] {
    if (comm.is_root()) factored = factor() ? 1 : 0;
  });
  positive_ = comm.min(factored) == 1;
}

bool TensorHessian::factor() {
  for (std::size_t i = 0; i < size_; ++i) {
    for (std::size_t j = 0; j < size_; ++j) matrix_[i * size_ + j] *= scale_[i] * scale_[j];
    matrix_[i * size_ + i] = 1;
  }
  upper_ = matrix_;
  for (std::size_t i = 0; i < size_; ++i) upper_[i * size_ + i] += ridge;
  return linear::cholesky(size_, upper_.data(), size_) == size_;
}

std::vector<double> TensorHessian::times(const std::vector<double>& x) const {
  std::vector<double> result(size_);
  for (std::size_t i = 0; i < size_; ++i) {
    const double* row = &matrix_[i * size_];
    result[i] = std::inner_product(x.begin(), x.end(), row, 0.0);
  }
  return result;
}

std::vector<double> TensorHessian::preconditioned(std::vector<double> x) const {
  linear::solve_upper_transposed(size_, upper_.data(), size_, 1, x.data(), size_);
  linear::solve_upper(size_, upper_.data(), size_, 1, x.data(), size_);
  return x;
}

// Residuals, scaled, have one sum over every node. What rounding makes of that lies in the kernel,
// where the preconditioner would blow it up: it is taken out.
void TensorHessian::project(std::vector<double>& r) const {
  std::vector<double> sums;
  std::size_t at = 0;
  for (const auto& node : marginals_) {
    sums.push_back(0);
    for (std::size_t x = 0; x < node.size(); ++x, ++at) sums.back() += r[at] / scale_[at];
  }
  const double mean =
      std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(sums.size());
  at = 0;
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    for (const double p : marginals_[k]) {
      r[at] += (mean - sums[k]) * p * scale_[at];
      ++at;
    }
  }
}

// Keeps the best iterate: rounding ends the descent of the residual, wherever that is.
std::vector<double> TensorHessian::solve_on_root(const std::vector<double>& right,
                                                 double& missed) const {
  std::vector<double> x(size_, 0.0), best = x, r(size_), p(size_, 0.0);
  for (std::size_t i = 0; i < size_; ++i) r[i] = right[i] * scale_[i];
  project(r);
  const auto norm = [&] {
    double sum = 0;
    for (std::size_t i = 0; i < size_; ++i) sum += std::abs(r[i] / scale_[i]);
    return sum;
  };
  missed = norm();
  double before = 0;
  for (int iteration = 0; iteration < most_iterations && missed > 0; ++iteration) {
    const std::vector<double> z = preconditioned(r);
    const double now = dot(r, z), beta = iteration == 0 ? 0 : now / before;
    for (std::size_t i = 0; i < size_; ++i) p[i] = z[i] + beta * p[i];
    const std::vector<double> hp = times(p);
    const double curvature = dot(p, hp);
    if (!(now > 0) || !(curvature > 0)) break;
    for (std::size_t i = 0; i < size_; ++i) x[i] += now / curvature * p[i];
    const std::vector<double> hx = times(x);  // the true residual
    for (std::size_t i = 0; i < size_; ++i) r[i] = right[i] * scale_[i] - hx[i];
    project(r);
    before = now;
    const double left = norm();
    if (left < missed) {
      missed = left;
      best = x;
    } else if (iteration > 3) {
      break;
    }
  }
  for (std::size_t i = 0; i < size_; ++i) best[i] *= scale_[i];
  return best;
}

NodeFields TensorHessian::solve(const NodeFields& right, double& missed) const {
  std::vector<double> flat;
  for (const auto& node : right) flat.insert(flat.end(), node.begin(), node.end());
  std::vector<double> answer(size_ + 1, 0.0);
  parallel::agree(comm_, [&] {
    if (!comm_.is_root()) return;
    std::vector<double> d = solve_on_root(flat, missed);
    std::ranges::copy(d, answer.begin());
    answer.back() = missed;
  });
  comm_.broadcast(std::span(answer));
  missed = answer.back();
  NodeFields result;
  auto from = answer.begin();
  for (const auto& node : marginals_) {
    result.emplace_back(from, from + static_cast<std::ptrdiff_t>(node.size()));
    from += static_cast<std::ptrdiff_t>(node.size());
  }
  return result;
}

}  // namespace mensura::transport
