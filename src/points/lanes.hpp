// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace mensura::points {

/// Eight doubles side by side. GCC maps the type to whatever the processor has; every lane is an
/// IEEE operation of its own, so all instruction sets give the same bits.
typedef double Eight __attribute__((vector_size(64), aligned(64), may_alias));

/// The lanes as an array. (GCC 12 miscompiles a[i] with a variable i under its bounds sanitizer.)
[[gnu::always_inline]] inline const double* lanes_of(const Eight& a) {
  return reinterpret_cast<const double*>(&a);
}

/// Bit i is set where a[i] <= b (false for NaN).
[[gnu::always_inline]] inline unsigned not_above(const Eight& a, const Eight& b) {
#if defined(__AVX512F__)
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ);
#elif defined(__AVX2__)
  const double* pa = lanes_of(a);
  const double* pb = lanes_of(b);
  const int low =
      _mm256_movemask_pd(_mm256_cmp_pd(_mm256_load_pd(pa), _mm256_load_pd(pb), _CMP_LE_OQ));
  const int high =
      _mm256_movemask_pd(_mm256_cmp_pd(_mm256_load_pd(pa + 4), _mm256_load_pd(pb + 4), _CMP_LE_OQ));
  return static_cast<unsigned>(low) | (static_cast<unsigned>(high) << 4U);
#else
  const double* pa = lanes_of(a);
  const double* pb = lanes_of(b);
  unsigned mask = 0;
  for (unsigned i = 0; i < 8; ++i) mask |= static_cast<unsigned>(pa[i] <= pb[i]) << i;
  return mask;
#endif
}

/// Larger of a and b, lane by lane.
[[gnu::always_inline]] inline void raise(Eight& a, const Eight& b) {
  a = a > b ? a : b;
}

/// Appends value[i] and first + i for every set bit i of the mask. May write (not keep) up to eight
/// elements behind the end. Returns how many were appended.
[[gnu::always_inline]] inline int append(const Eight& value, std::uint32_t first, unsigned mask,
                                         double* values, std::uint32_t* indices) {
#if defined(__AVX512F__) && defined(__AVX512VL__)
  const auto lanes = static_cast<__mmask8>(mask);
  _mm512_storeu_pd(values, _mm512_maskz_compress_pd(lanes, (__m512d)value));
  const __m256i index = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first)),
                                         _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(indices),
                      _mm256_maskz_compress_epi32(lanes, index));
  return __builtin_popcount(mask);
#else
  int n = 0;
  for (; mask != 0; mask &= mask - 1) {
    const int i = __builtin_ctz(mask);
    values[n] = lanes_of(value)[i];
    indices[n++] = first + static_cast<std::uint32_t>(i);
  }
  return n;
#endif
}

}  // namespace mensura::points
