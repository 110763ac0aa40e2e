// SPDX-License-Identifier: BSD-3-Clause
#include "gp/derivatives.hpp"

#include <algorithm>
#include <cmath>

#include "gp/jets.hpp"
#include "gp/multi_index.hpp"

namespace mensura::gp {
namespace {

using Metric = std::array<double, 3>;

Metric metric_of(const RadialFactor& factor, int dimension) {
  Metric metric{};  // zero: the factor does not see the axis
  for (int axis = 0; axis < dimension; ++axis) {
    if (depends_on(factor, axis)) {
      metric[static_cast<std::size_t>(axis)] = 1 / length_on(factor, axis);
    }
  }
  return metric;
}

/// The factor c with a = c b, or zero when there is none.
double ratio(const Metric& a, const Metric& b) {
  constexpr double rounding = 4e-16;  // lengths are as good as equal when their quotients are
  double c = 0;
  for (std::size_t axis = 0; axis < a.size(); ++axis) {
    if ((a[axis] == 0) != (b[axis] == 0)) return 0;
    if (a[axis] == 0) continue;
    const double here = a[axis] / b[axis];
    if (c != 0 && std::abs(here - c) > rounding * c) return 0;
    if (c == 0) c = here;
  }
  return c;
}

/// Factors of proportional metrics; lengths relative to the metric.
struct Group {
  Metric metric;
  std::vector<RadialFunction::Part> parts;
};

std::vector<Group> group(const KernelTerm& term, int dimension) {
  Metric plain{};
  std::fill_n(plain.begin(), dimension, 1.0);
  std::vector<Group> groups;
  for (const RadialFactor& factor : term.factors) {
    const Metric own = metric_of(factor, dimension);
    const bool isotropic = ratio(own, plain) != 0;  // then the length goes into the function
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const Group& g) { return ratio(own, g.metric) != 0; });
    Group& home =
        same != groups.end() ? *same : groups.emplace_back(Group{isotropic ? plain : own, {}});
    const double length = isotropic ? length_on(factor, 0) : 1 / ratio(own, home.metric);
    home.parts.push_back({factor.family, length});
  }
  return groups;
}

int partials_in(int dimension) {
  return dimension == 1   ? MultiIndices<1>::size
         : dimension == 2 ? MultiIndices<2>::size
                          : MultiIndices<3>::size;
}

template <int D>
std::vector<double> powers(const Metric& metric) {
  std::vector<double> result;
  for (const auto& alpha : multi_indices<D>.index) {
    double power = 1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      for (int k = 0; k < alpha[axis]; ++k) power *= metric[axis];
    }
    result.push_back(power);
  }
  return result;
}

}  // namespace

Slots::Slots(int dimension_in_space)
    : dimension(dimension_in_space), partials(partials_in(dimension_in_space)) {}

Derivatives::Derivatives(const Kernel& kernel, int dimension)
    : slots_((check(kernel, dimension), dimension)), isotropic_(false) {
  for (const KernelTerm& term : kernel.terms) add_term(term);
  isotropic_ = sum_.size() == 1 && sum_[0].size() == 1;
  if (isotropic_) {
    const Metric& metric = sum_[0][0].inverse_length;
    isotropic_ = std::all_of(metric.begin(), metric.begin() + dimension,
                             [](double scale) { return scale == 1; });
  }
}

void Derivatives::add_term(const KernelTerm& term) {
  const int d = slots_.dimension;
  std::vector<Group> groups = group(term, d);
  if (groups.size() == 1) {
    for (Product& other : sum_) {
      const double c = other.size() == 1 ? ratio(groups[0].metric, other[0].inverse_length) : 0;
      if (c == 0) continue;
      for (RadialFunction::Part& part : groups[0].parts) part.length /= c;
      other[0].function.add(groups[0].parts, term.weight);
      return;
    }
  }
  Product& product = sum_.emplace_back();
  for (const Group& g : groups) {
    Scaled scaled{RadialFunction(d), g.metric,
                  d == 1   ? powers<1>(g.metric)
                  : d == 2 ? powers<2>(g.metric)
                           : powers<3>(g.metric)};
    scaled.function.add(g.parts, product.empty() ? term.weight : 1.0);
    product.push_back(std::move(scaled));
  }
}

void Derivatives::squares(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
                          std::size_t n) {
  if (square_.size() < n) square_.resize(n);
  for (std::size_t j = 0; j < n; j += 8) {
    const Eight z = all(x[0]) - load(y[0] + j);
    Eight sum = z * z;
    for (std::size_t axis = 1; axis < static_cast<std::size_t>(slots_.dimension); ++axis) {
      const Eight next = all(x[axis]) - load(y[axis] + j);
      sum = fused(next, next, sum);
    }
    store(sum, square_.data() + j);
  }
}

/// One radial function of the scaled difference at eight points.
template <int D>
struct Derivatives::Work {
  Eight e[3], r;
  Channels g;

  [[gnu::always_inline]] void prepare(const Scaled& scaled, const Eight* z) {
    Eight component[D];
    for (std::size_t axis = 0; axis < D; ++axis) {
      component[axis] = z[axis] * all(scaled.inverse_length[axis]);
    }
    Eight square = component[0] * component[0];
    for (std::size_t axis = 1; axis < D; ++axis) {
      square = fused(component[axis], component[axis], square);
    }
    r = root(square);
    const Eight inverse = inverse_or_zero(r);
    for (std::size_t axis = 0; axis < D; ++axis) e[axis] = component[axis] * inverse;
    g = scaled.function.evaluate(r, square);
  }

  template <int Order>
  [[gnu::always_inline]] void jet(const Scaled& scaled, Jet<D>& out) const {
    radial_jet<D, Order>(g, r, e, out);
    for (std::size_t k = 1; k < MultiIndices<D>::count(Order); ++k) {
      out[k] = scaled.power[k] * out[k];
    }
  }

  /// The slots with Laplacians of an isotropic kernel, counted from the first of them.
  void laplacians(const unsigned char* wanted, double* const* out, std::size_t j) const {
    const double d = D;
    if (wanted[0]) store(g[lap], out[0] + j);
    if (wanted[1]) store(g[bil], out[1] + j);
    const Eight odd = r * fused(all(d + 2), g[g2], g[r2g3]);
    const Eight plain = fused(all(d + 2), g[g2], g[r2g3]);
    const Eight paired = fused(all(d + 4), g[r2g3], g[r4g4]);
    std::size_t slot = 2;
    for (std::size_t axis = 0; axis < D; ++axis, ++slot) {
      if (wanted[slot]) store(e[axis] * odd, out[slot] + j);
    }
    for (std::size_t a = 0; a < D; ++a) {
      for (std::size_t b = a; b < D; ++b, ++slot) {
        if (!wanted[slot]) continue;
        const Eight product = e[a] * e[b];
        store(a == b ? fused(product, paired, plain) : product * paired, out[slot] + j);
      }
    }
  }
};

template <int D, int Order>
void Derivatives::evaluate_partials(const std::array<double, 3>& x,
                                    const std::array<const double*, 3>& y, std::size_t n,
                                    const Request& request, const std::vector<double*>& out) {
  const auto first_laplacian = static_cast<std::size_t>(slots_.laplacian());
  Work<D> work;
  Jet<D> total, factor, product;
  for (std::size_t j = 0; j < n; j += 8) {
    Eight z[D];
    for (std::size_t axis = 0; axis < D; ++axis) z[axis] = all(x[axis]) - load(y[axis] + j);
    for (std::size_t t = 0; t < sum_.size(); ++t) {
      Jet<D>& term = t == 0 ? total : product;
      work.prepare(sum_[t][0], z);
      work.template jet<Order>(sum_[t][0], term);
      for (std::size_t f = 1; f < sum_[t].size(); ++f) {
        const Jet<D> before = term;
        work.prepare(sum_[t][f], z);
        work.template jet<Order>(sum_[t][f], factor);
        multiply<D, Order>(before, factor, term);
      }
      if (t == 0) continue;
      for (std::size_t k = 0; k < MultiIndices<D>::count(Order); ++k) total[k] = total[k] + term[k];
    }
    for (std::size_t k = 0; k < MultiIndices<D>::count(Order); ++k) {
      if (request.wanted[k]) store(total[k], out[k] + j);
    }
    if (isotropic_) {
      work.laplacians(request.wanted.data() + first_laplacian, out.data() + first_laplacian, j);
    }
  }
}

void Derivatives::evaluate(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
                           std::size_t n, const Request& request, const std::vector<double*>& out) {
  if (isotropic_ && !request.partials) {
    const auto laplacian = static_cast<std::size_t>(slots_.laplacian());
    squares(x, y, n);
    sum_[0][0].function.evaluate(square_.data(), n, {out[0], out[laplacian], out[laplacian + 1]});
    return;
  }
  const bool low = request.order <= 2;
  const auto run = [&]<int D>(std::integral_constant<int, D>) {
    return low ? evaluate_partials<D, 2>(x, y, n, request, out)
               : evaluate_partials<D, 4>(x, y, n, request, out);
  };
  switch (slots_.dimension) {
    case 1:
      return run(std::integral_constant<int, 1>{});
    case 2:
      return run(std::integral_constant<int, 2>{});
    default:
      return run(std::integral_constant<int, 3>{});
  }
}

}  // namespace mensura::gp
