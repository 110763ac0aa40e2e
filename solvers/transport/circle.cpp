// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "parallel/exact_sum.hpp"
#include "transport/line_coupling.hpp"
#include "transport/line_measure.hpp"
#include "transport/line_share.hpp"
#include "transport/line_terms.hpp"

namespace mensura::transport {

namespace {

using parallel::Communicator;
using parallel::ExactSum;

// How close the value comes to its lower bound, relative: a few roundings of a sum of positive
// terms.
constexpr double tolerance = 4e-16;

std::vector<double> wrapped(std::span<const double> positions, double period) {
  std::vector<double> result;
  result.reserve(positions.size());
  for (const double position : positions) {
    double inside = std::fmod(position, period);
    if (inside < 0) inside += period;
    result.push_back(inside < period ? inside : 0);
  }
  return result;
}

// The measure from mass `shift` on, once around from there; positions are lifted to the line, those
// before the first cut by `base`.
std::vector<Group> turned(const std::vector<Group>& groups, Units shift, Units total, double base,
                          double period) {
  std::vector<Group> result;
  result.reserve(groups.size() + 1);
  for (const auto& [start, end, position] : groups) {
    if (end > shift)
      result.push_back({std::max(start, shift) - shift, end - shift, position + base});
  }
  for (const auto& [start, end, position] : groups) {
    if (start < shift) {
      result.push_back({start + (total - shift), std::min(end, shift) + (total - shift),
                        position + base + period});
    }
  }
  return result;
}

// Cost as a function of the shift: value and slopes per unit of (relative) mass.
struct Point {
  Units shift = 0;
  double value = 0, left = 0, right = 0;
};

class Circle {
 public:
  Circle(const Communicator& comm, const OrderedPair& pair, double period, double power)
      : comm_(comm), pair_(pair), period_(period), power_(power), first_a_(first(pair.a.groups)) {}
  // Collective. The distribution function of b shifted by shift - total.
  Point at(Units shift) const;

 private:
  double first(std::span<const Group> groups) const {
    const bool here = !groups.empty() && groups.front().start == 0;
    const double position = here ? groups.front().position : 0.0;
    return std::bit_cast<double>(comm_.sum(std::bit_cast<std::int64_t>(position)));
  }
  const Communicator& comm_;
  const OrderedPair& pair_;
  double period_, power_;
  double first_a_;
};

// Where b's jump from y to y' moves by a unit of mass towards lower mass, a unit of a's mass there
// is coupled with y' instead of y.
Point Circle::at(Units shift) const {
  const auto turns = static_cast<int>(shift / pair_.total);
  std::vector<Group> b;
  parallel::agree(comm_, [&] {
    b = turned(pair_.b.groups, shift % pair_.total, pair_.total, (turns - 1) * period_, period_);
  });
  const double next_lap_a = first_a_ + period_, next_lap_b = first(b) + period_;
  const auto share = share_out(comm_, pair_.a.groups, b, pair_.total);
  std::array<ExactSum, 3> sums;
  const auto distance = [&](std::size_t i, std::size_t j) {
    return share.a[i].position - share.b[j].position;
  };
  const auto atom = [&](std::size_t i, std::size_t j, Units mass) {
    sums[0].add(relative(mass) * line_term(distance(i, j), power_));
  };
  const auto jump = [&](std::size_t i, std::size_t j, bool a_ends, bool b_ends) {
    if (!b_ends) return;
    const bool last = share.b[j].end == share.total;
    const double x = share.a[i].position, y = share.b[j].position;
    const double next_y = last ? next_lap_b : share.b[j + 1].position;
    const double next_x = last ? next_lap_a : a_ends ? share.a[i + 1].position : x;
    const double step = y - next_y;
    sums[1].add(line_rise(next_x - y, next_x - next_y, step, power_));
    sums[2].add(line_rise(x - y, x - next_y, step, power_));
  };
  walk(share, atom, jump);
  parallel::reduce(comm_, sums);
  Point point{shift, sums[0].value(), sums[1].value(), sums[2].value()};
  for (const double value : {point.value, point.left, point.right}) require_range(value);
  return point;
}

// Between two points with slopes inwards the minimum lies above the crossing of their tangents.
struct Crossing {
  double bound;
  Units shift;
};
Crossing crossing(const Point& low, const Point& high) {
  const double width = relative(high.shift - low.shift);
  const double part = std::clamp(
      (high.value - low.value - high.left * width) / (low.right - high.left), 0.0, width);
  const Units step = nearest_units(part, -unit_bits);
  return {low.value + low.right * part,
          low.shift + std::clamp<Units>(step, 1, high.shift - low.shift - 1)};
}

// The zero of the slope between two points if it were linear, with slopes scaled.
Units zero_of_slope(const Point& low, const Point& high, double scale_low, double scale_high) {
  const double down = -low.right * scale_low, up = high.left * scale_high;
  const Units step =
      nearest_units(relative(high.shift - low.shift) * (down / (down + up)), -unit_bits);
  return low.shift + std::clamp<Units>(step, 1, high.shift - low.shift - 1);
}

// Three kinds of steps in turn: zeros of the slope with the kept end's slope halved (Illinois, fast
// where many jumps make the slope smooth), crossings of tangents (exact where the cost is linear
// between few jumps), and bisection, which bounds the number of steps.
double minimum(const Circle& circle, Units total) {
  const Point middle = circle.at(total);  // no shift
  Point low = middle, high = middle;
  if (middle.right < 0) high = circle.at(2 * total);
  if (middle.left > 0) low = circle.at(0);
  double best = std::min({low.value, middle.value, high.value});
  double scale_low = 1, scale_high = 1;
  for (int step = 0; low.right < 0 && high.left > 0 && high.shift - low.shift > 1; ++step) {
    const auto [bound, cross] = crossing(low, high);
    if (best - bound <= tolerance * best) break;
    Units shift = cross;
    if (step % 4 < 2) shift = zero_of_slope(low, high, scale_low, scale_high);
    if (step % 4 == 3) shift = low.shift + (high.shift - low.shift) / 2;
    const Point next = circle.at(shift);
    best = std::min(best, next.value);
    if (next.left <= 0 && next.right >= 0) break;
    const bool below = next.right < 0;
    (below ? low : high) = next;
    scale_low = below ? 1 : scale_low / 2;
    scale_high = below ? scale_high / 2 : 1;
  }
  return best;
}

}  // namespace

double circle_cost(const Communicator& comm, const Weighted& a, const Weighted& b, double period,
                   double power) {
  require_power(comm, power);
  parallel::agree(comm, [&] {
    parallel::require(std::isfinite(period) && period > 0, "the period is positive");
  });
  const auto masses = carry_masses(comm, a, b, 1);
  std::vector<double> positions_a, positions_b;
  parallel::agree(comm, [&] {
    positions_a = wrapped(a.positions, period);
    positions_b = wrapped(b.positions, period);
  });
  const auto pair = order_pair(comm, masses, positions_a, positions_b);
  return absolute_cost(minimum(Circle(comm, pair, period, power), pair.total), pair.exponent);
}

}  // namespace mensura::transport
