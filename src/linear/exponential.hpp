// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "linear/lanes.hpp"

namespace mensura::linear {

namespace detail {

/// p 2^n for integers -1200 < n <= 0 held in doubles, rounded once when the result is subnormal.
[[gnu::always_inline]] inline Register scaled(Register p, Register n) {
#if defined(__AVX512F__)
  return (Register)_mm512_maskz_scalef_pd(0xff, (__m512d)p, (__m512d)n);  // plain form: a warning
#else
  // The lift by 2^200 keeps the exponent field valid; only the last product can round.
  constexpr double lift = 200, bias = 1023;
  const Register shifted = n + (0x1.8p52 + lift + bias);
  const RegisterBits power = (RegisterBits)shifted << 52;
  return (p * (Register)power) * 0x1p-200;
#endif
}

}  // namespace detail

/// exp(x) lane by lane for -800 <= x <= 0, below 1 ulp off; gradual underflow down to 0; NaN stays
/// NaN. Branch-free: x = n log 2 + r with |r| <= (log 2) / 2, exp r = 1 + r + r^2 q(r). The
/// polynomial q of degree 9 interpolates at the Chebyshev nodes; exp r is off by less than 1.7e-17
/// before rounding. log 2 is split as in fdlibm (n times the leading part is exact).
[[gnu::always_inline]] inline Eight exponential(const Eight& x) {
  constexpr double q[10] = {0.5000000000000001,     0.16666666666666669,    0.04166666666662413,
                            0.008333333333330062,   0.0013888888917213717,  0.00019841269863053618,
                            2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07,
                            2.510038549551032e-08};
  constexpr double to_integer = 0x1.8p52;  // pushes the fraction off the end of the significand
  const Eight n = fused(x, all(1.4426950408889634), all(to_integer)) - all(to_integer);
  Eight r = fused(n, all(-6.93147180369123816490e-01), x);
  r = fused(n, all(-1.90821492927058770002e-10), r);
  const Eight r2 = r * r, r4 = r2 * r2;
  // Pairs first (Estrin): short chains keep the multipliers busy.
  const Eight low = fused(fused(all(q[3]), r, all(q[2])), r2, fused(all(q[1]), r, all(q[0])));
  const Eight middle = fused(fused(all(q[7]), r, all(q[6])), r2, fused(all(q[5]), r, all(q[4])));
  const Eight high = fused(all(q[9]), r, all(q[8]));
  const Eight rest = fused(fused(high, r4, middle), r4, low);
  return detail::each([](Register p, Register k) { return detail::scaled(p, k); },
                      all(1.0) + fused(r2, rest, r), n);
}

}  // namespace mensura::linear
