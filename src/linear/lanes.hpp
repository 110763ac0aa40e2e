// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <cstddef>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace mensura::linear {

// The widest register there is: GCC 12 takes wider vectors through memory, at a fifth of the speed.
#if defined(__AVX512F__)
inline constexpr std::size_t register_lanes = 8;
#elif defined(__AVX2__)
inline constexpr std::size_t register_lanes = 4;
#else
inline constexpr std::size_t register_lanes = 2;
#endif
typedef double Register
    __attribute__((vector_size(8 * register_lanes), aligned(8 * register_lanes), may_alias));
typedef double LooseRegister
    __attribute__((vector_size(8 * register_lanes), aligned(8), may_alias));
typedef long long RegisterBits
    __attribute__((vector_size(8 * register_lanes), aligned(8 * register_lanes), may_alias));

/// Eight doubles side by side in one, two or four registers. Every lane is an IEEE operation of its
/// own: its bits depend neither on the other lanes nor on the width of a register.
struct alignas(64) Eight {
#if defined(__AVX512F__)
  Register a;
#elif defined(__AVX2__)
  Register a, b;
#else
  Register a, b, c, d;
#endif
};

namespace detail {

/// f(0), f(1), ...: an Eight from its registers.
template <class F>
[[gnu::always_inline]] inline Eight filled(F f) {
#if defined(__AVX512F__)
  return {f(0U)};
#elif defined(__AVX2__)
  return {f(0U), f(1U)};
#else
  return {f(0U), f(1U), f(2U), f(3U)};
#endif
}

/// f on the first registers of its arguments, the second ones, and so on.
template <class F, class... E>
[[gnu::always_inline]] inline Eight each(F f, const E&... e) {
#if defined(__AVX512F__)
  return {f(e.a...)};
#elif defined(__AVX2__)
  return {f(e.a...), f(e.b...)};
#else
  return {f(e.a...), f(e.b...), f(e.c...), f(e.d...)};
#endif
}

[[gnu::always_inline]] inline Register broadcast(double value) {
  return value - Register{};  // keeps the sign of zero
}

[[gnu::always_inline]] inline Register fused(Register x, Register y, Register z) {
#if defined(__AVX512F__)
  return (Register)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)z);
#elif defined(__AVX2__) && defined(__FMA__)
  return (Register)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)z);
#else
  return x * y + z;
#endif
}

[[gnu::always_inline]] inline Register root(Register x) {
#if defined(__AVX512F__)
  return (Register)_mm512_maskz_sqrt_pd(0xff, (__m512d)x);  // the plain form trips a warning
#elif defined(__AVX2__)
  return (Register)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  return (Register)_mm_sqrt_pd((__m128d)x);
#else
  return Register{std::sqrt(x[0]), std::sqrt(x[1])};
#endif
}

}  // namespace detail

[[gnu::always_inline]] inline Eight all(double value) {
  return detail::filled([=](std::size_t) { return detail::broadcast(value); });
}

/// From and to memory aligned to 64 bytes; `store_loose`: to any double.
[[gnu::always_inline]] inline Eight load(const double* from) {
  return detail::filled(
      [=](std::size_t i) { return *reinterpret_cast<const Register*>(from + i * register_lanes); });
}
[[gnu::always_inline]] inline void store(const Eight& value, double* to) {
  std::size_t i = 0;
  detail::each(
      [&](Register r) { return *reinterpret_cast<Register*>(to + register_lanes * i++) = r; },
      value);
}
[[gnu::always_inline]] inline void store_loose(const Eight& value, double* to) {
  std::size_t i = 0;
  detail::each(
      [&](Register r) {
        *reinterpret_cast<LooseRegister*>(to + register_lanes * i++) = (LooseRegister)r;
        return r;
      },
      value);
}

[[gnu::always_inline]] inline Eight operator+(const Eight& x, const Eight& y) {
  return detail::each([](Register a, Register b) { return a + b; }, x, y);
}
[[gnu::always_inline]] inline Eight operator-(const Eight& x, const Eight& y) {
  return detail::each([](Register a, Register b) { return a - b; }, x, y);
}
[[gnu::always_inline]] inline Eight operator*(const Eight& x, const Eight& y) {
  return detail::each([](Register a, Register b) { return a * b; }, x, y);
}
[[gnu::always_inline]] inline Eight operator*(double x, const Eight& y) {
  return all(x) * y;
}

/// a * b + c: one rounding where the processor has fused operations, two elsewhere.
[[gnu::always_inline]] inline Eight fused(const Eight& a, const Eight& b, const Eight& c) {
  return detail::each([](Register x, Register y, Register z) { return detail::fused(x, y, z); }, a,
                      b, c);
}

/// Square root, correctly rounded.
[[gnu::always_inline]] inline Eight root(const Eight& a) {
  return detail::each([](Register x) { return detail::root(x); }, a);
}

/// The smaller of a and the limit; NaN stays NaN.
[[gnu::always_inline]] inline Eight at_most(const Eight& a, double limit) {
  return detail::each(
      [=](Register x) {
        const Register bound = detail::broadcast(limit);
        return x > bound ? bound : x;
      },
      a);
}

/// The larger of a and the limit; NaN stays NaN.
[[gnu::always_inline]] inline Eight at_least(const Eight& a, double limit) {
  return detail::each(
      [=](Register x) {
        const Register bound = detail::broadcast(limit);
        return x < bound ? bound : x;
      },
      a);
}

/// The larger of a and b; b where one of them is NaN.
[[gnu::always_inline]] inline Eight larger(const Eight& a, const Eight& b) {
  return detail::each([](Register x, Register y) { return x > y ? x : y; }, a, b);
}

/// Every lane of a is below that of b (false when there is a NaN).
[[gnu::always_inline]] inline bool all_below(const Eight& a, const Eight& b) {
  int below = 0, registers = 0;
  detail::each(
      [&](Register x, Register y) {
        ++registers;
#if defined(__AVX512F__)
        below += _mm512_cmp_pd_mask((__m512d)x, (__m512d)y, _CMP_LT_OQ) == 0xff ? 1 : 0;
#elif defined(__AVX2__)
        const __m256d less = _mm256_cmp_pd((__m256d)x, (__m256d)y, _CMP_LT_OQ);
        below += _mm256_movemask_pd(less) == 0xf ? 1 : 0;
#else
        below += x[0] < y[0] && x[1] < y[1] ? 1 : 0;
#endif
        return x;
      },
      a, b);
  return below == registers;
}

/// 1 / a, and 0 where a is not above 0.
[[gnu::always_inline]] inline Eight inverse_or_zero(const Eight& a) {
  return detail::each(
      [](Register x) {
        const Register zero{};
        return x > zero ? 1.0 / x : zero;
      },
      a);
}

}  // namespace mensura::linear
