// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "gp/field.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

// As many doubles as one register of the processor holds; every lane is an IEEE operation of its
// own, so that all widths give the same bits.
#if defined(__AVX512F__)
constexpr std::size_t lanes = 8;
#elif defined(__AVX__)
constexpr std::size_t lanes = 4;
#else
constexpr std::size_t lanes = 2;
#endif
typedef double Lanes __attribute__((vector_size(8 * lanes), may_alias));

inline const double* lanes_of(const Lanes& a) {
  return reinterpret_cast<const double*>(&a);
}

// The rotation by pi x per term loses about one unit in the last place per term; after this many
// terms sine and cosine are computed anew.
constexpr int restart_every = 16;
// Terms whose sum is below this part of the whole cannot be seen in a double.
constexpr double invisible = 1e-18;

// round to nearest for |v| < 2^51, as one vector addition and subtraction
inline Lanes rounded(Lanes v) {
  constexpr double shift = 0x1.8p52;
  return (v + shift) - shift;
}

// sin(pi r) and cos(pi r) for |r| <= 1/4 by Taylor: the first terms left out are below 5e-17 and
// 3e-18.
inline Lanes sin_small(Lanes a) {
  const Lanes q = a * a;
  const Lanes tail =
      q *
      (1.0 / 362880 + q * (-1.0 / 39916800 + q * (1.0 / 6227020800 + q * (-1.0 / 1307674368000))));
  return a + a * q * (-1.0 / 6 + q * (1.0 / 120 + q * (-1.0 / 5040 + tail)));
}
inline Lanes cos_small(Lanes a) {
  const Lanes q = a * a;
  const Lanes tail =
      q * (-1.0 / 3628800 +
           q * (1.0 / 479001600 + q * (-1.0 / 87178291200 + q * (1.0 / 20922789888000))));
  return 1.0 + q * (-0.5 + q * (1.0 / 24 + q * (-1.0 / 720 + q * (1.0 / 40320 + tail))));
}

// One axis of several points: sin and cos of pi k x for the current k.
struct Wave {
  Lanes high, low;  // x modulo 2
  Lanes sine, cosine, sine_1, cosine_1;

  // Only x modulo 2 matters, and the remainder is exact.
  explicit Wave(Lanes x) {
    double* value = reinterpret_cast<double*>(&x);
    for (std::size_t l = 0; l < lanes; ++l) value[l] = std::remainder(value[l], 2.0);
    constexpr double grid = 0x1.8p22;  // adding it rounds to multiples of 2^-30
    high = (x + grid) - grid;
    low = x - high;
    renew(1);
    sine_1 = sine;
    cosine_1 = cosine;
  }
  // k high is exact for k < 2^22, so that the angle is good to its last bit for every k.
  void renew(int k) {
    const auto factor = static_cast<double>(k);
    const Lanes turns = factor * high;
    const Lanes quarter = rounded(2.0 * turns);
    const Lanes angle = std::numbers::pi * ((turns - 0.5 * quarter) + factor * low);
    const Lanes quadrant = quarter - 4.0 * rounded(0.25 * quarter);  // -2 ... 2
    const Lanes s = sin_small(angle);
    const Lanes c = cos_small(angle);
    const auto odd = (quadrant == 1.0) | (quadrant == -1.0);
    const auto half = (quadrant == 2.0) | (quadrant == -2.0);
    sine = odd ? c : s;
    cosine = odd ? s : c;
    sine = half | (quadrant == -1.0) ? -sine : sine;
    cosine = half | (quadrant == 1.0) ? -cosine : cosine;
  }
  [[gnu::always_inline]] void advance() {
    const Lanes next = sine * cosine_1 + cosine * sine_1;
    cosine = cosine * cosine_1 - sine * sine_1;
    sine = next;
  }
};

// How many terms matter for sums of k^(power - decay): those beyond have a tail below `invisible`.
// The tail is at most terms left x largest of them; the whole is at least the first term.
int visible_terms(const SineSeries& series, int power) {
  const double exponent = power - series.decay;
  double tail = 0;
  int k = series.terms;
  while (k > 1) {
    tail += std::pow(k, exponent);
    if (tail >= invisible) return k;
    --k;
  }
  return std::min(series.terms, 1);
}

// k^(-decay) of the terms up to the last one that can be seen.
std::vector<double> weights_of(const SineSeries& series, bool gradient, bool laplacian) {
  const int terms = visible_terms(series, laplacian ? 2 : (gradient ? 1 : 0));
  std::vector<double> weights;
  for (int k = 1; k <= terms; ++k) weights.push_back(std::pow(k, -series.decay));
  return weights;
}

template <std::size_t Dimension>
struct Sums {
  Lanes u{}, laplacian{};
  Lanes gradient[Dimension] = {};
};

// Sums of several points. The Laplacian sums k^2 times the terms of u, the gradient k times.
template <std::size_t Dimension, bool Gradient>
Sums<Dimension> add_terms(std::array<Wave, Dimension> waves, std::span<const double> weights) {
  Sums<Dimension> sums;
  const int terms = static_cast<int>(weights.size());
  for (int k = 1; k <= terms; ++k) {
    const double weight = weights[static_cast<std::size_t>(k - 1)];
    Lanes product = waves[0].sine * weight;
    for (std::size_t i = 1; i < Dimension; ++i) product *= waves[i].sine;
    sums.u += product;
    sums.laplacian += product * (static_cast<double>(k) * k);
    if constexpr (Gradient) {
      for (std::size_t i = 0; i < Dimension; ++i) {
        Lanes slope = waves[i].cosine * (weight * k);
        for (std::size_t j = 0; j < Dimension; ++j) {
          if (j != i) slope *= waves[j].sine;
        }
        sums.gradient[i] += slope;
      }
    }
    const bool restart = k % restart_every == 0;
    for (std::size_t i = 0; i < Dimension; ++i) {
      if (restart) {
        waves[i].renew(k + 1);
      } else {
        waves[i].advance();
      }
    }
  }
  return sums;
}

// The same coordinate of several points; lanes beyond the last point compute zeros.
Lanes gather(std::span<const double> coordinates, std::size_t dimension, std::size_t axis,
             std::size_t first, std::size_t count) {
  Lanes x{};
  double* lane = reinterpret_cast<double*>(&x);
  for (std::size_t l = 0; l < count; ++l) lane[l] = coordinates[(first + l) * dimension + axis];
  return x;
}

template <std::size_t Dimension, std::size_t... Axis>
void sum_series(std::index_sequence<Axis...> /*axes*/, std::span<const double> weights,
                std::span<const double> coordinates, std::span<double> u,
                std::span<double> gradient, std::span<double> laplacian) {
  constexpr double pi = std::numbers::pi;
  for (std::size_t first = 0; first < u.size(); first += lanes) {
    const std::size_t count = std::min(lanes, u.size() - first);
    const std::array<Wave, Dimension> waves{
        Wave(gather(coordinates, Dimension, Axis, first, count))...};
    const Sums<Dimension> sums = gradient.empty() ? add_terms<Dimension, false>(waves, weights)
                                                  : add_terms<Dimension, true>(waves, weights);
    for (std::size_t l = 0; l < count; ++l) {
      u[first + l] = lanes_of(sums.u)[l];
      if (!laplacian.empty()) {
        laplacian[first + l] = -pi * pi * Dimension * lanes_of(sums.laplacian)[l];
      }
      for (std::size_t i = 0; !gradient.empty() && i < Dimension; ++i) {
        gradient[(first + l) * Dimension + i] = pi * lanes_of(sums.gradient[i])[l];
      }
    }
  }
}

template <std::size_t Dimension>
void sum_series(std::span<const double> weights, std::span<const double> coordinates,
                std::span<double> u, std::span<double> gradient, std::span<double> laplacian) {
  sum_series<Dimension>(std::make_index_sequence<Dimension>(), weights, coordinates, u, gradient,
                        laplacian);
}

}  // namespace

void sine_series(const SineSeries& series, int dimension, std::span<const double> coordinates,
                 std::span<double> u, std::span<double> gradient, std::span<double> laplacian) {
  const auto d = static_cast<std::size_t>(dimension);
  parallel::require(dimension >= 1 && dimension <= 3, "the sine series has one to three axes");
  parallel::require(coordinates.size() == u.size() * d, "one value of the series per point");
  parallel::require(gradient.empty() || gradient.size() == coordinates.size(),
                    "one gradient of the series per point");
  parallel::require(laplacian.empty() || laplacian.size() == u.size(),
                    "one Laplacian of the series per point");
  const auto weights = weights_of(series, !gradient.empty(), !laplacian.empty());
  if (dimension == 1) sum_series<1>(weights, coordinates, u, gradient, laplacian);
  if (dimension == 2) sum_series<2>(weights, coordinates, u, gradient, laplacian);
  if (dimension == 3) sum_series<3>(weights, coordinates, u, gradient, laplacian);
}

}  // namespace mensura::gp
