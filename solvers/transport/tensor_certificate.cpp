// SPDX-License-Identifier: BSD-3-Clause
// What the potentials of a tensor say: marginals, values, bounds of the unregularised optimum.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "transport/tensor.hpp"
#include "transport/tensor_hessian.hpp"

namespace mensura::transport {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// P_k from the potential for which it would be exact.
std::vector<double> share(const std::vector<double>& mass, const std::vector<double>& potential,
                          const std::vector<double>& exact, double epsilon) {
  std::vector<double> result(mass.size());
  for (std::size_t x = 0; x < mass.size(); ++x) {
    result[x] = mass[x] * std::exp((potential[x] - exact[x]) / epsilon);
  }
  return result;
}

NodeFields marginals_at(const TensorSlices& slices, const NodeFields& masses, const NodeFields& phi,
                        double epsilon, const std::function<void()>& poll) {
  NodeFields result;
  auto rest = slices.sums(slices.innermost(), phi, epsilon, poll);
  for (std::size_t k = 0; k < masses.size(); ++k) {
    if (k == slices.innermost()) rest = slices.sums(slices.inner(), phi, epsilon, poll);
    result.push_back(share(masses[k], phi[k], slices.balanced(rest, k, phi, epsilon), epsilon));
  }
  return result;
}

// P <- P min(1, m_k / P_k), node after node.
NodeFields rounded(const TensorSlices& slices, NodeFields phi, double epsilon,
                   const std::function<void()>& poll) {
  auto rest = slices.sums(slices.innermost(), phi, epsilon, poll);
  for (std::size_t k = 0; k < phi.size(); ++k) {
    if (k == slices.innermost()) rest = slices.sums(slices.inner(), phi, epsilon, poll);
    const auto exact = slices.balanced(rest, k, phi, epsilon);
    for (std::size_t x = 0; x < exact.size(); ++x) phi[k][x] = std::min(phi[k][x], exact[x]);
  }
  return phi;
}

// Cost of the product of what is missing, of total mass `mass` at every node.
double remainder_cost(const TensorSlices& slices, const NodeFields& missing, double mass) {
  double sum = 0;
  for (std::size_t k = 0; k < missing.size(); ++k) {
    for (std::size_t l = k + 1; l < missing.size(); ++l) {
      const std::vector<double>& cost = slices.cost(k, l);
      for (std::size_t i = 0; i < cost.size(); ++i) {
        const double pair = missing[k][i / missing[l].size()] * missing[l][i % missing[l].size()];
        if (pair > 0) sum += cost[i] * (pair / mass);
      }
    }
  }
  return sum;
}

// The value of the dual after one round of exact transforms.
double dual_bound(const TensorSlices& slices, const NodeFields& masses, NodeFields phi,
                  const std::function<void()>& poll) {
  const std::vector<double> none{0.0};
  const bool two = phi.size() == 2;
  auto rest = slices.least(slices.innermost(), two ? none : phi.back(), poll);
  double value = 0;
  for (std::size_t k = 0; k < phi.size(); ++k) {
    if (k == slices.innermost()) rest = slices.least(slices.inner(), phi[slices.inner()], poll);
    phi[k] = slices.bound(rest, k, phi);
    value += product(phi[k], masses[k]);
  }
  return value;
}

}  // namespace

NodeFields TensorSolver::marginals(const std::function<void()>& poll) const {
  return marginals_at(slices_, masses_, at_, epsilon(), poll);
}

std::vector<double> TensorSolver::pair_marginal(std::size_t k, std::size_t l,
                                                const std::function<void()>& poll) const {
  const std::vector<double> all = slices_.pair(k, l, at_, epsilon(), poll);
  const parallel::Blocks blocks{static_cast<std::int64_t>(masses_[k].size()), comm_.size()};
  const auto width = static_cast<std::int64_t>(masses_[l].size());
  const auto begin = all.begin() + blocks.begin(comm_.rank()) * width;
  return {begin, begin + blocks.size(comm_.rank()) * width};
}

// P log(P / prod m) = P (sum phi - c) / eps.
TensorSolver::Values TensorSolver::values(const std::function<void()>& poll) const {
  Values result;
  result.linear = slices_.linear_cost(at_, {}, epsilon(), poll);
  const NodeFields sums = marginals(poll);
  for (std::size_t k = 0; k < sums.size(); ++k) result.regularised += product(at_[k], sums[k]);
  return result;
}

// (1 - t) P + t Q (1 + sum_k d_k) with exact marginals: Q the plan itself (t = 1), where that does
// not do the plan of a larger regularisation, whose entries communicate better.
double TensorSolver::repaired(double& remainder, const std::function<void()>& poll) const {
  NodeFields missing = masses_;
  const NodeFields sums = marginals(poll);
  remainder = 0;
  for (std::size_t k = 0; k < missing.size(); ++k) {
    double sum = 0;
    for (std::size_t x = 0; x < missing[k].size(); ++x) {
      missing[k][x] -= sums[k][x];
      sum += std::abs(missing[k][x]);
    }
    remainder = std::max(remainder, sum / 2);
  }
  for (std::size_t stage = past_.size(); stage-- > 0;) {
    const bool itself = stage + 1 == past_.size();
    const double part = itself ? 1 : std::min(0.5, std::max(100 * remainder, 1e-14));
    const double epsilon = epsilons_[stage];
    const TensorHessian hessian(comm_, slices_, past_[stage], epsilon, poll);
    if (!hessian.positive()) continue;
    NodeFields right = masses_;
    for (std::size_t k = 0; k < right.size(); ++k) {
      for (std::size_t x = 0; x < right[k].size(); ++x) {
        right[k][x] += (1 - part) / part * missing[k][x] - hessian.marginals()[k][x];
      }
    }
    double missed = 0, least = 1;
    const NodeFields d = hessian.solve(right, missed);
    for (const auto& node : d) least += std::ranges::min(node);
    // What is left of the errors is rounding of the masses.
    if (!(least >= 0) || !(part * missed <= 1e-13)) continue;
    double cost = part * slices_.linear_cost(past_[stage], d, epsilon, poll);
    if (!itself) cost += (1 - part) * slices_.linear_cost(at_, {}, this->epsilon(), poll);
    return cost;
  }
  return infinity;
}

TensorSolver::Bounds TensorSolver::certify(const std::function<void()>& poll) const {
  Bounds result;
  const NodeFields phi = rounded(slices_, at_, epsilon(), poll);
  NodeFields missing = marginals_at(slices_, masses_, phi, epsilon(), poll);
  for (std::size_t k = 0; k < missing.size(); ++k) {
    for (std::size_t x = 0; x < missing[k].size(); ++x) {
      missing[k][x] = std::max(0.0, masses_[k][x] - missing[k][x]);
    }
  }
  result.remainder = std::accumulate(missing[0].begin(), missing[0].end(), 0.0);
  result.primal = slices_.linear_cost(phi, {}, epsilon(), poll);
  if (result.remainder > 0) result.primal += remainder_cost(slices_, missing, result.remainder);
  if (!std::isfinite(result.primal)) result.primal = repaired(result.remainder, poll);
  result.dual = dual_bound(slices_, masses_, at_, poll);
  return result;
}

}  // namespace mensura::transport
