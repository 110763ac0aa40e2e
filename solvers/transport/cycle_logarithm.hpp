// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "linear/lanes.hpp"

namespace mensura::transport {

/// log(x) lane by lane for normal positive x, to about 2 ulp: x = 2^n m with m in [1/sqrt 2,
/// sqrt 2), log m = 2 artanh((m - 1) / (m + 1)) by its series up to the 23rd power (the next term
/// is below 1e-17 of the sum).
[[gnu::always_inline]] inline linear::Eight logarithm(const linear::Eight& x) {
  using namespace linear;
  return detail::each(
      [](Register v) {
        const RegisterBits bits = (RegisterBits)v;
        // The bias lets the exponent of numbers below sqrt 2 of their power round down.
        constexpr long long root_half = 0x3fe6a09e667f3bcdLL;
        const RegisterBits exponent = (bits - root_half) >> 52;
        const Register m = (Register)(bits - (exponent << 52));
        // exponent as a double: the magic number holds it in its low bits
        constexpr double magic = 0x1.8p52;
        const Register n = (Register)(exponent + (RegisterBits)(Register{} + magic)) - magic;
        const Register f = (m - 1.0) / (m + 1.0), s = f * f;
        Register series = Register{} + 1.0 / 23;
        for (int k = 21; k >= 3; k -= 2) series = series * s + 1.0 / k;
        const Register tail = 2.0 * f * s * series;
        return n * 6.93147180369123816490e-01 + (2.0 * f + (tail + n * 1.90821492927058770002e-10));
      },
      x);
}

}  // namespace mensura::transport
