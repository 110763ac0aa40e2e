// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/law.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

using Values = std::vector<double>;

[[noreturn]] void fail(const std::string& law, const std::string& text) {
  throw parallel::Error(parallel::ExitCode::usage, fmt::format("law {}: {}", law, text));
}

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

// Longest of several vectors: the dimension they imply.
int longest(std::initializer_list<const Values*> vectors) {
  std::size_t d = 1;
  for (const Values* v : vectors) d = std::max(d, v->size());
  return static_cast<int>(d);
}

int side_of(const Covariance& c) {
  if (!c.full) return static_cast<int>(c.values.size());
  return static_cast<int>(std::lround(std::sqrt(static_cast<double>(c.values.size()))));
}

int implied_dimension(const Law& law) {
  return std::visit(
      Overloaded{
          [](const Gaussian& g) { return std::max(longest({&g.mean}), side_of(g.covariance)); },
          [](const TruncatedGaussian& g) {
            return std::max(longest({&g.mean, &g.lower, &g.upper}), side_of(g.covariance));
          },
          [](const Uniform& u) { return longest({&u.lower, &u.upper}); },
          [](const Beta& b) { return longest({&b.alpha, &b.beta}); },
          [](const Exponential& e) { return longest({&e.rate}); },
          [](const StudentT& t) { return longest({&t.dof, &t.location, &t.scale}); },
          [](const Mixture& m) {
            int d = 1;
            for (const Law& component : m.components) d = std::max(d, dimension_of(component));
            return d;
          }},
      law.form);
}

// Checks and broadcasts the parameters of one law.
class Checker {
 public:
  Checker(std::string law, int dimension)
      : law_(std::move(law)), d_(static_cast<std::size_t>(dimension)) {}

  void broadcast(Values& v, const char* name, bool finite = true) const {
    if (v.size() == 1) v.assign(d_, v[0]);
    if (v.size() != d_) {
      fail(law_, fmt::format("{} has {} entries; the dimension is {} (give 1 or {})", name,
                             v.size(), d_, d_));
    }
    for (std::size_t i = 0; i < d_; ++i) {
      if (std::isnan(v[i]) || (finite && std::isinf(v[i]))) {
        fail(law_, fmt::format("{}[{}] is {}; it must be a finite number", name, i, v[i]));
      }
    }
  }
  void positive(Values& v, const char* name) const {
    broadcast(v, name);
    for (std::size_t i = 0; i < d_; ++i) {
      if (!(v[i] > 0)) fail(law_, fmt::format("{}[{}] is {}; it must be positive", name, i, v[i]));
    }
  }
  void box(Values& lower, Values& upper, bool finite) const {
    broadcast(lower, "lower", finite);
    broadcast(upper, "upper", finite);
    for (std::size_t i = 0; i < d_; ++i) {
      if (lower[i] < upper[i]) continue;
      fail(law_,
           fmt::format("lower[{}] = {} is not below upper[{}] = {}", i, lower[i], i, upper[i]));
    }
  }
  void covariance(Covariance& c) const {
    if (!c.full) return positive(c.values, "covariance");
    if (c.values.size() != d_ * d_) {
      fail(law_, fmt::format("covariance has {} numbers; a full matrix in dimension {} has {} x {}",
                             c.values.size(), d_, d_, d_));
    }
    symmetric(c.values);
    positive_definite(c.values);
    if (is_diagonal(c.values)) make_diagonal(c);
  }

 private:
  void symmetric(const Values& c) const {
    for (std::size_t i = 0; i < d_; ++i) {
      for (std::size_t j = 0; j < d_; ++j) {
        const double a = c[i * d_ + j];
        const double b = c[j * d_ + i];
        if (!std::isfinite(a)) {
          fail(law_, fmt::format("covariance[{}][{}] is {}; it must be a finite number", i, j, a));
        }
        // Numbers typed with 12 digits and more pass as equal.
        if (std::abs(a - b) > 1e-12 * (std::abs(a) + std::abs(b))) {
          fail(law_, fmt::format("covariance is not symmetric: [{}][{}] = {} but [{}][{}] = {}", i,
                                 j, a, j, i, b));
        }
      }
    }
  }
  void positive_definite(Values c) const {
    for (std::size_t i = 0; i < d_; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double rest = c[i * d_ + j];
        for (std::size_t k = 0; k < j; ++k) rest -= c[i * d_ + k] * c[j * d_ + k];
        if (i == j && !(rest > 1e-14 * c[i * d_ + i])) {
          fail(law_, fmt::format("covariance is not positive definite (its leading {} x {} block "
                                 "is singular or indefinite)",
                                 i + 1, i + 1));
        }
        c[i * d_ + j] = i == j ? std::sqrt(rest) : rest / c[j * d_ + j];
      }
    }
  }
  bool is_diagonal(const Values& c) const {
    for (std::size_t i = 0; i < d_ * d_; ++i) {
      if (i % (d_ + 1) != 0 && c[i] != 0) return false;
    }
    return true;
  }
  void make_diagonal(Covariance& c) const {
    Values diagonal;
    for (std::size_t i = 0; i < d_; ++i) diagonal.push_back(c.values[i * d_ + i]);
    c = {diagonal, false};
  }

  std::string law_;
  std::size_t d_;
};

void check_mixture(Mixture& m, int dimension) {
  if (m.components.empty() || m.components.size() != m.weights.size()) {
    fail("mixture", fmt::format("{} weights for {} components; give one weight per component",
                                m.weights.size(), m.components.size()));
  }
  for (std::size_t i = 0; i < m.weights.size(); ++i) {
    if (m.weights[i] > 0 && std::isfinite(m.weights[i])) continue;
    fail("mixture", fmt::format("weights[{}] is {}; it must be positive", i, m.weights[i]));
  }
  const double total = std::accumulate(m.weights.begin(), m.weights.end(), 0.0);
  for (double& w : m.weights) w /= total;
  for (Law& component : m.components) {
    // A component given by scalars takes the dimension of the mixture.
    if (component.dimension == 0 && implied_dimension(component) == 1)
      component.dimension = dimension;
    component = validate(component);
    if (component.dimension != dimension) {
      fail("mixture", fmt::format("a {} component has dimension {}, the mixture has {}",
                                  name_of(component), component.dimension, dimension));
    }
  }
}

bool same_covariance(const Covariance& a, const Covariance& b) {
  return a.full == b.full && a.values == b.values;
}

bool same_validated(const Law& a, const Law& b);

struct Same {
  bool operator()(const Gaussian& a, const Gaussian& b) const {
    return a.mean == b.mean && same_covariance(a.covariance, b.covariance);
  }
  bool operator()(const TruncatedGaussian& a, const TruncatedGaussian& b) const {
    return a.mean == b.mean && same_covariance(a.covariance, b.covariance) && a.lower == b.lower &&
           a.upper == b.upper;
  }
  bool operator()(const Uniform& a, const Uniform& b) const {
    return a.lower == b.lower && a.upper == b.upper;
  }
  bool operator()(const Beta& a, const Beta& b) const {
    return a.alpha == b.alpha && a.beta == b.beta;
  }
  bool operator()(const Exponential& a, const Exponential& b) const { return a.rate == b.rate; }
  bool operator()(const StudentT& a, const StudentT& b) const {
    return a.dof == b.dof && a.location == b.location && a.scale == b.scale;
  }
  bool operator()(const Mixture& a, const Mixture& b) const {
    return a.weights == b.weights &&
           std::equal(a.components.begin(), a.components.end(), b.components.begin(),
                      b.components.end(), same_validated);
  }
  template <class A, class B>
  bool operator()(const A&, const B&) const {
    return false;
  }
};

bool same_validated(const Law& a, const Law& b) {
  return a.dimension == b.dimension && std::visit(Same{}, a.form, b.form);
}

}  // namespace

std::string name_of(const Law& law) {
  static const char* const names[] = {"gaussian",    "truncated_gaussian", "uniform", "beta",
                                      "exponential", "student_t",          "mixture"};
  return names[law.form.index()];
}

int dimension_of(const Law& law) {
  if (law.dimension < 0) {
    fail(name_of(law), fmt::format("dimension {} must be positive", law.dimension));
  }
  return law.dimension > 0 ? law.dimension : implied_dimension(law);
}

Law validate(const Law& law) {
  Law result = law;
  result.dimension = dimension_of(law);
  const Checker check(name_of(law), result.dimension);
  std::visit(Overloaded{[&](Gaussian& g) {
                          check.broadcast(g.mean, "mean");
                          check.covariance(g.covariance);
                        },
                        [&](TruncatedGaussian& g) {
                          check.broadcast(g.mean, "mean");
                          check.covariance(g.covariance);
                          if (g.covariance.full) {
                            fail(name_of(law),
                                 "covariance must be a number or a diagonal; a full "
                                 "matrix is only known to law gaussian");
                          }
                          check.box(g.lower, g.upper, false);
                        },
                        [&](Uniform& u) { check.box(u.lower, u.upper, true); },
                        [&](Beta& b) {
                          check.positive(b.alpha, "alpha");
                          check.positive(b.beta, "beta");
                        },
                        [&](Exponential& e) { check.positive(e.rate, "rate"); },
                        [&](StudentT& t) {
                          check.positive(t.dof, "dof");
                          check.broadcast(t.location, "location");
                          check.positive(t.scale, "scale");
                        },
                        [&](Mixture& m) { check_mixture(m, result.dimension); }},
             result.form);
  return result;
}

bool same(const Law& a, const Law& b) {
  return same_validated(validate(a), validate(b));
}

}  // namespace mensura::divergence
