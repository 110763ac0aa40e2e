// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "gp/multi_index.hpp"
#include "gp/radial.hpp"
#include "linear/lanes.hpp"

namespace mensura::gp {

/// All partial derivatives up to order 4 of a function of z in D dimensions at eight points, in the
/// order of MultiIndices. Algorithms with an `Order` touch the derivatives up to it alone.
template <int D>
struct Jet {
  Eight at[MultiIndices<D>::size];
  Eight& operator[](std::size_t k) { return at[k]; }
  const Eight& operator[](std::size_t k) const { return at[k]; }
};

namespace detail {

/// f(0), f(1), ... f(N - 1) with arguments the compiler knows, so that tables vanish.
template <std::size_t N, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<std::size_t, I>{}), ...);
  }(std::make_index_sequence<N>{});
}

/// Number of leading terms of a table by ascending target that belong to orders up to Order.
template <int D, int Order, class Terms>
constexpr std::size_t leading_terms(const Terms& terms) {
  std::size_t n = 0;
  while (n < terms.size() && terms[n].target < MultiIndices<D>::count(Order)) ++n;
  return n;
}

}  // namespace detail

/// Derivatives of a radial function at z = r e (e = 0 where r = 0). Writing monomials in e beside
/// powers of r keeps every product finite at r = 0.
template <int D, int Order>
[[gnu::always_inline]] inline void radial_jet(const Channels& g, const Eight& r, const Eight* e,
                                              Jet<D>& out) {
  static_assert(Order == 2 || Order == 4);
  constexpr std::size_t n = MultiIndices<D>::count(Order);
  Jet<D> monomial;
  monomial[0] = all(1.0);
  detail::unrolled<n - 1>([&](auto i) __attribute__((always_inline)) {
    constexpr std::size_t k = i + 1;
    constexpr auto parent = static_cast<std::size_t>(parents<D>.parent[k]);
    constexpr auto axis = static_cast<std::size_t>(parents<D>.axis[k]);
    if constexpr (parent == 0) {
      monomial[k] = e[axis];
    } else {
      monomial[k] = monomial[parent] * e[axis];
    }
  });
  // By order and number of paired indices: what is left of g_{order - pairs} z^(...).
  Eight function[5][3];
  function[0][0] = g[g0];
  function[1][0] = r * g[g1];
  function[2][0] = g[r2g2];
  function[2][1] = g[g1];
  function[3][0] = r * g[r2g3];
  function[3][1] = r * g[g2];
  function[4][0] = g[r4g4];
  function[4][1] = g[r2g3];
  function[4][2] = g[g2];
  detail::unrolled<detail::leading_terms<D, Order>(radial_terms<D>)>(
      [&](auto i) __attribute__((always_inline)) {
        constexpr RadialTerm term = radial_terms<D>[i];
        constexpr auto target = static_cast<std::size_t>(term.target);
        constexpr auto order = static_cast<std::size_t>(multi_indices<D>.order[target]);
        constexpr auto pairs = static_cast<std::size_t>(term.pairs);
        constexpr auto power = static_cast<std::size_t>(term.monomial);
        const Eight factor =
            term.factor == 1 ? monomial[power] : monomial[power] * all(term.factor);
        if constexpr (pairs == 0) {
          out[target] = factor * function[order][0];
        } else {
          out[target] = fused(factor, function[order][pairs], out[target]);
        }
      });
}

/// Derivatives of the product of two functions.
template <int D, int Order>
inline void multiply(const Jet<D>& a, const Jet<D>& b, Jet<D>& out) {
  detail::unrolled<detail::leading_terms<D, Order>(product_terms<D>)>(
      [&](auto i) __attribute__((always_inline)) {
        constexpr ProductTerm term = product_terms<D>[i];
        constexpr auto target = static_cast<std::size_t>(term.target);
        const Eight& left = a[static_cast<std::size_t>(term.left)];
        const Eight& right = b[static_cast<std::size_t>(term.right)];
        const Eight factor = term.factor == 1 ? left : left * all(term.factor);
        if constexpr (term.left == 0) {
          out[target] = factor * right;
        } else {
          out[target] = fused(factor, right, out[target]);
        }
      });
}

}  // namespace mensura::gp
