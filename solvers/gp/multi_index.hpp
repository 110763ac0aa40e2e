// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>

namespace mensura::gp {

/// Multi-indices of total order 0 ... 4 in D variables, by ascending order: a partial derivative
/// each.
template <int D>
struct MultiIndices {
  static constexpr int count(int order) {  ///< number of multi-indices up to an order
    int n = 1;
    for (int i = 1; i <= D; ++i) n = n * (order + i) / i;
    return n;
  }
  static constexpr int size = count(4);
  using Index = std::array<int, 3>;

  std::array<Index, size> index{};
  std::array<int, size> order{};

  constexpr MultiIndices() {
    std::size_t n = 0;
    for (int total = 0; total <= 4; ++total) {
      for (int i = total; i >= 0; --i) {
        for (int j = total - i; j >= 0; --j) {
          const int k = total - i - j;
          if ((D < 2 && j > 0) || (D < 3 && k > 0)) continue;
          index[n] = {i, j, k};
          order[n++] = total;
        }
      }
    }
  }

  constexpr int find(const Index& wanted) const {
    for (std::size_t n = 0; n < index.size(); ++n) {
      if (index[n] == wanted) return static_cast<int>(n);
    }
    return -1;
  }
};

template <int D>
inline constexpr MultiIndices<D> multi_indices{};

/// The first axis along which a multi-index differentiates, and the multi-index with one order less
/// there.
template <int D>
struct Parents {
  std::array<int, MultiIndices<D>::size> axis{}, parent{};

  constexpr Parents() {
    constexpr auto& all = multi_indices<D>;
    for (std::size_t n = 1; n < all.index.size(); ++n) {
      auto lower = all.index[n];
      std::size_t first = 0;
      while (lower[first] == 0) ++first;
      --lower[first];
      axis[n] = static_cast<int>(first);
      parent[n] = all.find(lower);
    }
  }
};

template <int D>
inline constexpr Parents<D> parents{};

/// Terms of the derivatives of a radial function (Faa di Bruno for g(r) with g_{j+1} = g_j' / r):
///   D^alpha g = sum over m <= alpha / 2 of c(alpha, m) z^(alpha - 2m) g_{|alpha| - |m|},
///   c = product over axes of alpha! / (2^m m! (alpha - 2m)!).
struct RadialTerm {
  int target = 0;    ///< alpha
  int monomial = 0;  ///< alpha - 2m
  int pairs = 0;     ///< |m|
  double factor = 0;
};

template <int D>
constexpr std::size_t radial_terms_into(RadialTerm* out) {
  constexpr auto& all = multi_indices<D>;
  constexpr double factorial[5] = {1, 1, 2, 6, 24};
  std::size_t n = 0;
  for (std::size_t target = 0; target < all.index.size(); ++target) {
    const auto& alpha = all.index[target];
    for (int i = 0; 2 * i <= alpha[0]; ++i) {
      for (int j = 0; 2 * j <= alpha[1]; ++j) {
        for (int k = 0; 2 * k <= alpha[2]; ++k) {
          const int m[3] = {i, j, k};
          typename MultiIndices<D>::Index rest{};
          double factor = 1;
          for (std::size_t axis = 0; axis < 3; ++axis) {
            rest[axis] = alpha[axis] - 2 * m[axis];
            factor *= factorial[alpha[axis]] / (static_cast<double>(1 << m[axis]) *
                                                factorial[m[axis]] * factorial[rest[axis]]);
          }
          if (out != nullptr) {
            out[n] = {static_cast<int>(target), all.find(rest), i + j + k, factor};
          }
          ++n;
        }
      }
    }
  }
  return n;
}

template <int D>
inline constexpr auto radial_terms = [] {
  std::array<RadialTerm, radial_terms_into<D>(nullptr)> terms{};
  radial_terms_into<D>(terms.data());
  return terms;
}();

/// Terms of the derivatives of a product (Leibniz), by ascending target.
struct ProductTerm {
  int target = 0, left = 0, right = 0;
  double factor = 0;
};

template <int D>
constexpr std::size_t product_terms_into(ProductTerm* out) {
  constexpr auto& all = multi_indices<D>;
  constexpr double binomial[5][5] = {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}};
  std::size_t n = 0;
  for (std::size_t target = 0; target < all.index.size(); ++target) {
    for (std::size_t left = 0; left <= target; ++left) {
      typename MultiIndices<D>::Index rest{};
      double factor = 1;
      bool inside = true;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const int whole = all.index[target][axis], part = all.index[left][axis];
        inside = inside && part <= whole;
        rest[axis] = whole - part;
        factor *= binomial[whole][part];
      }
      if (!inside) continue;
      if (out != nullptr) {
        out[n] = {static_cast<int>(target), static_cast<int>(left), all.find(rest), factor};
      }
      ++n;
    }
  }
  return n;
}

template <int D>
inline constexpr auto product_terms = [] {
  std::array<ProductTerm, product_terms_into<D>(nullptr)> terms{};
  product_terms_into<D>(terms.data());
  return terms;
}();

}  // namespace mensura::gp
