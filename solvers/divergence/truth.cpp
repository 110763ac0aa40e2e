// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/truth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "divergence/closed_forms.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
using Answer = std::optional<double>;

// Smallest box that carries all mass. For every law but a mixture the density is positive all over
// it.
struct Box {
  std::vector<double> lower, upper;
};

Box support(const Law& law) {
  const auto d = static_cast<std::size_t>(law.dimension);
  Box box{std::vector<double>(d, -infinity), std::vector<double>(d, infinity)};
  if (const auto* t = std::get_if<TruncatedGaussian>(&law.form)) return {t->lower, t->upper};
  if (const auto* u = std::get_if<Uniform>(&law.form)) return {u->lower, u->upper};
  if (std::holds_alternative<Beta>(law.form)) {
    return {std::vector<double>(d, 0.0), std::vector<double>(d, 1.0)};
  }
  if (std::holds_alternative<Exponential>(law.form)) box.lower.assign(d, 0.0);
  if (const auto* m = std::get_if<Mixture>(&law.form)) {
    box = support(m->components.front());
    for (const Law& component : m->components) {
      const Box other = support(component);
      for (std::size_t i = 0; i < d; ++i) {
        box.lower[i] = std::min(box.lower[i], other.lower[i]);
        box.upper[i] = std::max(box.upper[i], other.upper[i]);
      }
    }
  }
  return box;
}

bool inside(const Box& a, const Box& b) {
  for (std::size_t i = 0; i < a.lower.size(); ++i) {
    if (a.lower[i] < b.lower[i] || a.upper[i] > b.upper[i]) return false;
  }
  return true;
}

bool disjoint(const Box& a, const Box& b) {
  for (std::size_t i = 0; i < a.lower.size(); ++i) {
    if (!(std::max(a.lower[i], b.lower[i]) < std::min(a.upper[i], b.upper[i]))) return true;
  }
  return false;
}

bool same_box(const TruncatedGaussian& p, const TruncatedGaussian& q) {
  return p.lower == q.lower && p.upper == q.upper;
}

struct KlForm {
  Answer operator()(const Gaussian& p, const Gaussian& q) const { return kl(p, q); }
  Answer operator()(const TruncatedGaussian& p, const TruncatedGaussian& q) const {
    if (!same_box(p, q)) return std::nullopt;
    return kl(p, q);
  }
  Answer operator()(const Beta& p, const Beta& q) const { return kl(p, q); }
  Answer operator()(const Exponential& p, const Exponential& q) const { return kl(p, q); }
  Answer operator()(const Uniform& p, const Uniform& q) const { return kl(p, q); }
  Answer operator()(const Uniform& p, const Gaussian& q) const { return kl(p, q); }
  Answer operator()(const Uniform& p, const TruncatedGaussian& q) const { return kl(p, q); }
  template <class P, class Q>
  Answer operator()(const P&, const Q&) const {
    return std::nullopt;
  }
};

struct LogJForm {
  double a;
  Answer operator()(const Gaussian& p, const Gaussian& q) const { return log_j(p, q, a); }
  Answer operator()(const TruncatedGaussian& p, const TruncatedGaussian& q) const {
    if (!same_box(p, q)) return std::nullopt;
    return log_j(p, q, a);
  }
  Answer operator()(const Beta& p, const Beta& q) const { return log_j(p, q, a); }
  Answer operator()(const Exponential& p, const Exponential& q) const { return log_j(p, q, a); }
  Answer operator()(const Uniform& p, const Uniform& q) const { return log_j(p, q, a); }
  template <class P, class Q>
  Answer operator()(const P&, const Q&) const {
    return std::nullopt;
  }
};

Answer kl_truth(const Law& p, const Law& q) {
  // Mass of P outside the support of Q makes KL infinite whatever the laws are.
  if (!inside(support(p), support(q))) return infinity;
  return std::visit(KlForm{}, p.form, q.form);
}

Answer log_j_truth(const Law& p, const Law& q, double a) {
  if (disjoint(support(p), support(q))) return -infinity;
  return std::visit(LogJForm{a}, p.form, q.form);
}

Answer js_truth(const Law& p, const Law& q) {
  if (disjoint(support(p), support(q))) return std::log(2.0);
  const auto* u = std::get_if<Uniform>(&p.form);
  const auto* v = std::get_if<Uniform>(&q.form);
  if (u == nullptr || v == nullptr) return std::nullopt;
  return js(*u, *v);
}

Answer jeffreys_truth(const Law& p, const Law& q) {
  const Answer forward = kl_truth(p, q);
  const Answer backward = kl_truth(q, p);
  if ((forward && std::isinf(*forward)) || (backward && std::isinf(*backward))) return infinity;
  if (!forward || !backward) return std::nullopt;
  return *forward + *backward;
}

// The quantity from log J, without cancellation for close laws.
double from_log_j(Quantity quantity, double a, double log_value) {
  switch (quantity) {
    case Quantity::renyi:
      return log_value / (a - 1);
    case Quantity::alpha:
      return std::expm1(log_value) / (a * (a - 1));
    case Quantity::tsallis:
      return std::expm1(log_value) / (a - 1);
    case Quantity::hellinger:
      return -std::expm1(log_value);
    default:
      return -log_value;
  }
}

}  // namespace

std::optional<double> truth(Quantity quantity, double order, const Law& p_given,
                            const Law& q_given) {
  check_order(quantity, order);
  const Law p = validate(p_given);
  const Law q = validate(q_given);
  if (p.dimension != q.dimension) {
    throw parallel::Error(
        parallel::ExitCode::usage,
        fmt::format("laws {} (dimension {}) and {} (dimension {}) differ in dimension", name_of(p),
                    p.dimension, name_of(q), q.dimension));
  }
  if (same(p, q)) return 0.0;
  if (quantity == Quantity::kl) return kl_truth(p, q);
  if (quantity == Quantity::jeffreys) return jeffreys_truth(p, q);
  if (quantity == Quantity::js) return js_truth(p, q);
  const double a = effective_order(quantity, order);
  const Answer log_value = log_j_truth(p, q, a);
  if (!log_value) return std::nullopt;
  return from_log_j(quantity, a, *log_value);
}

}  // namespace mensura::divergence
