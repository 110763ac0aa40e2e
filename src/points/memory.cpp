// SPDX-License-Identifier: BSD-3-Clause
#include "points/memory.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mensura::points {

namespace {

double expected_remote_factor(double points, double d, double ranks, double k) {
  if (ranks < 2) return 0.0;
  // Unit cube: r = (k / (points c_d))^(1/d) with c_d the volume of the unit ball.
  const double log_ball = d / 2 * std::log(std::numbers::pi) - std::lgamma(d / 2 + 1);
  const double radius = std::exp((std::log(k / points) - log_ball) / d);
  // Bisection cuts log2(ranks) times, so at most that many axes; along each there are
  // 1 / edge - 1 inner faces with a layer of depth r on either side.
  const double cut_axes = std::min(d, std::ceil(std::log2(ranks)));
  const double faces = std::pow(ranks, 1.0 / cut_axes) - 1;
  return std::min(ranks - 1, std::pow(1.0 + 2 * radius * faces, cut_axes) - 1);
}

}  // namespace

MemoryPrediction predict_memory(std::int64_t points_total, int dimension, int ranks, int max_k,
                                std::int64_t remote_buffer_bytes) {
  const double n = static_cast<double>(std::max<std::int64_t>(points_total, 1));
  const double d = dimension, p = ranks;
  const double point = 8 * d + 8;
  // Exchange: the old and the new copy, destination order, received piece. Tree: rows (coordinates
  // and index, or index alone above six dimensions), source or leaves, ids, order.
  const double exchange = ranks > 1 ? 2 * point + 4 : 0;
  const double rows = dimension <= 6 ? 8 * d + 8 : 4;
  const double tree = rows + 8 * d + 8 + 4;
  const double hash = point + 4 + 12;
  MemoryPrediction result;
  result.bytes_per_point = std::max({exchange, tree, hash}) + 2 * d;  // boxes: 32 d bytes per leaf
  const double k = std::min<double>(max_k, n);
  const double lanes = 32 * (12 * (2 * k + 96) + 16 * (k + 1)) + 48 * k;
  const double buffers =
      (ranks > 1 ? static_cast<double>(remote_buffer_bytes) + (32 << 20) : 0) + p * (32 * d + 64);
  result.bytes_per_rank =
      static_cast<std::int64_t>(result.bytes_per_point * std::ceil(n / p) + lanes + buffers);
  result.remote_factor = expected_remote_factor(n, d, p, k);
  return result;
}

}  // namespace mensura::points
