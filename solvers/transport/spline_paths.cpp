// SPDX-License-Identifier: BSD-3-Clause
// Paths of a spline: a Markov chain over phase space, drawn where its points lie.
#include <algorithm>
#include <cmath>
#include <limits>

#include "parallel/random.hpp"
#include "transport/pace.hpp"
#include "transport/spline.hpp"
#include "transport/spline_edge.hpp"

namespace mensura::transport {

namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();
// Noise above it has a probability of 1e-17: points that would need more are passed over.
constexpr double largest_noise = 40;

}  // namespace

std::vector<double> SplinePaths::at(double time) const {
  parallel::require(time >= times.front() && time <= times.back(), "a time of the paths");
  const std::size_t d = dimension, length = times.size();
  const auto after = std::ranges::upper_bound(times, time);
  const auto k = std::min(static_cast<std::size_t>(after - times.begin()), length - 1) - 1;
  const double step = times[k + 1] - times[k], s = (time - times[k]) / step;
  std::vector<double> result;
  for (std::size_t path = 0; path < count(); ++path) {
    const double* from = &points[(path * length + k) * 2 * d];
    const double* to = from + 2 * d;
    for (std::size_t a = 0; a < d; ++a) {
      // Hermite's cubic.
      result.push_back((1 + 2 * s) * (1 - s) * (1 - s) * from[a] + s * s * (3 - 2 * s) * to[a] +
                       step * s * (1 - s) * ((1 - s) * from[d + a] - s * to[d + a]));
    }
  }
  return result;
}

// The best point of every path so far, and what the point before it costs.
struct SplineSolver::Draw {
  Draw(std::size_t count, std::size_t width, std::uint64_t seed, std::size_t time)
      : stream(seed, "spline paths", std::to_string(time)),
        best(count, nothing),
        point(count * width, nothing) {}
  parallel::Stream stream;
  std::vector<double> best, point;  // paths; paths x (position, velocity)
  const Edge* edge = nullptr;       // from the time before; none at the first one
  std::vector<double> before;       // paths x coordinates of the edge's kernel
  double epsilon = 1;
};

// `logarithms`: of the weights of own points of phase space, the cost from the time before aside.
// Points from `begin` to `end` take part.
void SplineSolver::draw_from(std::size_t time, std::span<const double> logarithms,
                             std::size_t begin, std::size_t end, Draw& draw) const {
  const std::size_t d = options_.velocities.count.size(), width = 2 * d;
  const std::size_t velocities = grid_.size() / d;
  for (std::size_t q = begin; q < end; ++q) {
    const std::size_t i = q / velocities, j = q % velocities;
    for (std::size_t path = 0; path < draw.best.size(); ++path) {
      double value = logarithms[q];
      if (draw.edge != nullptr) {
        value -=
            draw.edge->cost(&draw.before[path * width], &draw.edge->to.coordinates[q * width]) /
            draw.epsilon;
      }
      if (value + largest_noise < draw.best[path]) continue;
      value -= std::log(-std::log(draw.stream.uniform(ids_[time][i], path * velocities + j)));
      if (!(value > draw.best[path])) continue;
      draw.best[path] = value;
      std::copy_n(&positions_[time][i * d], d, &draw.point[path * width]);
      std::copy_n(&grid_[j * d], d, &draw.point[path * width + d]);
    }
  }
}

SplinePaths SplineSolver::paths(std::int64_t count, std::uint64_t seed,
                                const std::function<void()>& poll) const {
  const std::size_t d = options_.velocities.count.size(), width = 2 * d;
  const auto n = static_cast<std::size_t>(count);
  const Messages after = backward(epsilon(), poll);
  SplinePaths result{d, options_.times, {}};
  std::vector<double> before;
  Pace pace(poll);
  parallel::agree(comm_, [&] {
    result.points.resize(n * times() * width);
    before.resize(n * width);
  });
  for (std::size_t k = 0; k < times(); ++k) {
    const Cloud& here = k == 0 ? edges_[0]->from : edges_[k - 1]->to;
    std::vector<double> logarithms = lifted(k, after[k]);
    for (std::size_t q = 0; q < logarithms.size(); ++q) {
      logarithms[q] = here.log_mass[q] + logarithms[q] / epsilon();
    }
    Draw draw(n, width, seed, k);
    draw.epsilon = epsilon();
    if (k > 0) {
      draw.edge = edges_[k - 1].get();
      draw.before = before;
    }
    const auto own = static_cast<double>(comm_.max(static_cast<std::int64_t>(here.own())));
    const double seconds = 2e-8 * own * static_cast<double>(count);
    const auto pieces = static_cast<std::size_t>(std::ceil(seconds / Pace::interval)) + 1;
    for (std::size_t piece = 0; piece < pieces; ++piece) {
      draw_from(k, logarithms, here.own() * piece / pieces, here.own() * (piece + 1) / pieces,
                draw);
      pace.worked(seconds / static_cast<double>(pieces));
    }
    // The best of all ranks; the others' points are -infinity.
    std::vector<double> best = draw.best;
    comm_.max(std::span(best));
    for (std::size_t path = 0; path < n; ++path) {
      if (draw.best[path] == best[path]) continue;
      std::fill_n(&draw.point[path * width], width, nothing);
    }
    comm_.max(std::span(draw.point));
    const double step = k + 1 < times() ? options_.times[k + 1] - options_.times[k] : 0;
    for (std::size_t path = 0; path < n; ++path) {
      const double* point = &draw.point[path * width];
      std::copy_n(point, width, &result.points[(path * times() + k) * width]);
      for (std::size_t a = 0; a < d; ++a) {
        before[path * width + a] = std::sqrt(12.0) * (point[a] + step / 2 * point[d + a]);
        before[path * width + d + a] = step * point[d + a];
      }
    }
  }
  return result;
}

}  // namespace mensura::transport
