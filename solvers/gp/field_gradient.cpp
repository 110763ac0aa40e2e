// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "gp/field.hpp"
#include "gp/formula.hpp"

namespace mensura::gp {

namespace {

// Central difference of order eight (Fornberg 1988, table 1): f' = sum of these times
// (f(x + m h) - f(x - m h)) / h over m = 1 ... 4.
constexpr std::array<double, 4> slope_weights{4.0 / 5, -1.0 / 5, 4.0 / 105, -1.0 / 280};
// Of a function whose slope jumps by J at x, sum of these times (f(x + m h) - 2 f(x) + f(x - m h))
// is J h; smooth functions give O(h^8), since the weights annihilate m^2, m^4 and m^6. A central
// difference by itself is blind to a kink at its own centre.
constexpr std::array<double, 4> kink_weights{14.0 / 5, -7.0 / 5, 2.0 / 5, -1.0 / 20};
// The two step sizes may differ by this part of the gradient's scale.
constexpr double agreement = 1e-6;
// A gradient far below this part of the values counts as that large: differences of rounded values
// cannot resolve it.
constexpr double flat = 1e-3;

// The steps of the two stencils in units of the smaller one, 1 ... 4 and 2, 4, 6, 8.
constexpr std::array<int, 6> offsets{1, 2, 3, 4, 6, 8};
std::size_t offset_place(int offset) {
  return static_cast<std::size_t>(std::find(offsets.begin(), offsets.end(), offset) -
                                  offsets.begin());
}

// One derivative by steps h and 2 h, and the jump of the slope.
struct Slope {
  double fine = 0, coarse = 0, jump = 0;
  double doubt() const { return std::max(std::abs(fine - coarse), std::abs(jump)); }
};

// Values of the formula around the points of one piece along one axis.
class Stencil {
 public:
  void evaluate(Formula& formula, std::size_t points, int axis, double h) {
    centre_.resize(points);
    formula.evaluate(centre_);
    for (std::size_t k = 0; k < offsets.size(); ++k) {
      right_[k].resize(points);
      left_[k].resize(points);
      formula.evaluate(right_[k], axis, offsets[k] * h);
      formula.evaluate(left_[k], axis, -offsets[k] * h);
    }
  }
  Slope slope(std::size_t point, double h) const {
    Slope result;
    for (int m = 1; m <= 4; ++m) {
      const auto weight = static_cast<std::size_t>(m - 1);
      const auto [left, right] = pair(offset_place(m), point);
      const auto [far_left, far_right] = pair(offset_place(2 * m), point);
      result.fine += slope_weights[weight] * (right - left) / h;
      result.coarse += slope_weights[weight] * (far_right - far_left) / (2 * h);
      const double bend = (far_right - centre_[point]) + (far_left - centre_[point]);
      result.jump += kink_weights[weight] * bend / (2 * h);
    }
    return result;
  }
  double centre(std::size_t point) const { return centre_[point]; }

 private:
  std::pair<double, double> pair(std::size_t k, std::size_t point) const {
    return {left_[k][point], right_[k][point]};
  }
  std::vector<double> centre_;
  std::array<std::vector<double>, offsets.size()> left_, right_;
};

// The longest side of the box around all points; 1 when they coincide.
double extent_of(const parallel::Communicator& comm, const FieldPoints& points) {
  const auto d = static_cast<std::size_t>(points.dimension);
  std::vector<double> ends(2 * d, -std::numeric_limits<double>::infinity());  // -lower, upper
  for (std::size_t i = 0; i < points.coordinates.size(); ++i) {
    ends[i % d] = std::max(ends[i % d], -points.coordinates[i]);
    ends[d + i % d] = std::max(ends[d + i % d], points.coordinates[i]);
  }
  comm.max(ends);
  double extent = 0;
  for (std::size_t i = 0; i < d; ++i) extent = std::max(extent, ends[i] + ends[d + i]);
  return extent > 0 ? extent : 1;
}

struct Slopes {
  std::vector<double> gradient;  // points x dimension
  std::vector<double> doubt;     // the largest of each point
  double largest_slope = 0, largest_value = 0;
};

Slopes all_slopes(const FieldSpec& field, const FieldPoints& points, double h) {
  const auto d = static_cast<std::size_t>(points.dimension);
  const std::size_t total = points.coordinates.size() / d;
  Formula formula(field, points.dimension);
  Stencil stencil;
  Slopes slopes;
  slopes.gradient.resize(total * d);
  slopes.doubt.resize(total);
  for (std::size_t first = 0; first < total; first += Formula::piece) {
    const std::size_t count = std::min(Formula::piece, total - first);
    formula.load(points.coordinates.subspan(first * d, count * d), points.time);
    for (std::size_t axis = 0; axis < d; ++axis) {
      stencil.evaluate(formula, count, static_cast<int>(axis), h);
      for (std::size_t i = 0; i < count; ++i) {
        const auto slope = stencil.slope(i, h);
        auto& doubt = slopes.doubt[first + i];
        slopes.gradient[(first + i) * d + axis] = slope.fine;
        doubt = std::isnan(doubt) || doubt > slope.doubt() ? doubt : slope.doubt();
        if (!std::isfinite(slope.fine)) doubt = slope.fine;
        slopes.largest_value = std::max(slopes.largest_value, std::abs(stencil.centre(i)));
        slopes.largest_slope = std::max(slopes.largest_slope, std::abs(slope.fine));
      }
    }
  }
  return slopes;
}

}  // namespace

std::vector<double> evaluate_gradient(const parallel::Communicator& comm, const FieldSpec& field,
                                      const FieldPoints& points) {
  parallel::require(points.dimension >= 1 && points.dimension <= 3, "points have 1 to 3 axes");
  parallel::require(!field.expression.empty(), "gradients are taken of formulas only");
  const double extent = extent_of(comm, points);
  // Truncation stays below `agreement` up to about 100 periods of a sine across the points, and
  // rounding amounts to 1e-12 of the values per extent. A power of two keeps x +- m h exact on
  // most grids.
  const double h = std::exp2(std::floor(std::log2(extent)) - 12);
  Slopes slopes;
  parallel::agree(comm, [&] { slopes = all_slopes(field, points, h); });
  std::vector<double> largest{slopes.largest_slope, slopes.largest_value};
  comm.max(largest);
  const double scale = std::max(largest[0], flat * largest[1] / extent);
  std::vector<std::size_t> bad;
  for (std::size_t i = 0; i < slopes.doubt.size(); ++i) {
    if (!(slopes.doubt[i] <= agreement * scale)) bad.push_back(i);
  }
  refuse_first(comm, points, bad, [&](std::size_t point, std::int64_t count) {
    const double doubt = slopes.doubt[point];
    const auto reason =
        std::isfinite(doubt)
            ? fmt::format("two step sizes differ by {:.1e} where gradients reach {:.1e}", doubt,
                          largest[0])
            : fmt::format("it is not finite within {:.1e} of there", 8 * h);
    return fmt::format(
        "{} has no reliable gradient {}: {} ({} {}); it may have a kink or a jump, give its "
        "gradient as diffusion_gradient",
        subject_text(field), place_text(points, point), reason, count,
        count == 1 ? "point in all" : "points in all");
  });
  return std::move(slopes.gradient);
}

}  // namespace mensura::gp
