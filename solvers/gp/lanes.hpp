// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <cstring>

#include "points/lanes.hpp"

// GCC warns that functions returning such vectors are called differently with and without AVX-512;
// here they are all inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace mensura::gp {

/// Eight doubles side by side, every lane an IEEE operation of its own: a lane's bits do not depend
/// on the other lanes.
using points::Eight;

/// Eight integers side by side (shuffle positions, bits of doubles).
typedef long long EightIntegers __attribute__((vector_size(64), aligned(64), may_alias));

/// Eight doubles anywhere in memory.
typedef double LooseEight __attribute__((vector_size(64), aligned(8), may_alias));

[[gnu::always_inline]] inline Eight load(const double* from) {
  return *reinterpret_cast<const Eight*>(from);
}
[[gnu::always_inline]] inline Eight load_loose(const double* from) {
  return (Eight) * reinterpret_cast<const LooseEight*>(from);
}
[[gnu::always_inline]] inline void store(const Eight& value, double* to) {
  *reinterpret_cast<Eight*>(to) = value;
}
[[gnu::always_inline]] inline void store_loose(const Eight& value, double* to) {
  *reinterpret_cast<LooseEight*>(to) = (LooseEight)value;
}
[[gnu::always_inline]] inline Eight all(double value) {
  return Eight{value, value, value, value, value, value, value, value};
}

/// a * b + c: one rounding where the processor has fused operations, two elsewhere.
[[gnu::always_inline]] inline Eight fused(const Eight& a, const Eight& b, const Eight& c) {
#if defined(__AVX512F__)
  return (Eight)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__) && defined(__AVX2__)
  alignas(64) double result[8];
  const double *pa = points::lanes_of(a), *pb = points::lanes_of(b), *pc = points::lanes_of(c);
  for (int half = 0; half < 8; half += 4) {
    _mm256_store_pd(result + half,
                    _mm256_fmadd_pd(_mm256_load_pd(pa + half), _mm256_load_pd(pb + half),
                                    _mm256_load_pd(pc + half)));
  }
  return load(result);
#else
  return a * b + c;
#endif
}

/// Square root, correctly rounded.
[[gnu::always_inline]] inline Eight root(const Eight& a) {
#if defined(__AVX512F__)
  return (Eight)_mm512_maskz_sqrt_pd(0xff, (__m512d)a);  // the plain form trips warnings
#else
  alignas(64) double result[8];
  const double* lanes = points::lanes_of(a);
  for (int i = 0; i < 8; ++i) result[i] = std::sqrt(lanes[i]);
  return load(result);
#endif
}

}  // namespace mensura::gp
