// SPDX-License-Identifier: BSD-3-Clause
#include "transport/bounds.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace mensura::transport {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Fills the records of a tree node by node.
class Builder {
 public:
  Builder(NodeBounds& bounds, const points::Tree& tree, std::span<const double> coordinates,
          const std::vector<std::span<const double>>& fields, const Cost& cost,
          const double* origin)
      : bounds_(bounds),
        tree_(tree),
        coordinates_(coordinates),
        fields_(fields),
        origin_(origin),
        d_(static_cast<std::size_t>(tree.dimension)),
        squared_(cost.kind() == CostKind::squared_euclidean ? cost.weight() : 0),
        tilted_(cost.kind() != CostKind::periodic) {}

  std::uint32_t add(std::uint32_t a, std::uint32_t b) {
    const auto node = static_cast<std::uint32_t>(bounds_.nodes.size());
    const auto size = static_cast<std::uint32_t>(tree_.leaf_size);
    bounds_.nodes.push_back({a * size, std::min(b * size, tree_.sites), 0});
    bounds_.best.push_back(a * size);
    bounds_.records.resize(bounds_.records.size() + bounds_.stride());
    fill(node);
    if (b - a > 1) {
      const std::uint32_t middle = points::Tree::split(a, b);
      add(a, middle);
      const std::uint32_t right = add(middle, b);
      bounds_.nodes[node].right = right;
    }
    return node;
  }

 private:
  void fill(std::uint32_t node) {
    double* centre = &bounds_.records[node * bounds_.stride()];
    double* half = centre + d_;
    const double* box = &tree_.boxes[node * 2 * d_];
    for (std::size_t j = 0; j < d_; ++j) {
      centre[j] = (box[j] - origin_[j] + (box[d_ + j] - origin_[j])) / 2;
      // Rounded up, so that the box holds all its points.
      half[j] = (box[d_ + j] - box[j]) / 2 * (1 + 1e-15) + 1e-300;
      half[j] = std::max(half[j], std::max(box[d_ + j] - origin_[j] - centre[j],
                                           centre[j] - (box[j] - origin_[j])));
    }
    double* field = half + d_;
    for (std::size_t k = 0; k < fields_.size(); ++k, field += 2 + d_) fill_field(node, k, field);
  }

  double phi(std::size_t point, std::size_t k) const {
    double square = 0;
    for (std::size_t j = 0; squared_ > 0 && j < d_; ++j) {
      const double x = coordinates_[point * d_ + j] - origin_[j];
      square += x * x;
    }
    return squared_ * square - fields_[k][point];
  }

  // Slopes by least squares, axis by axis; any slope gives a valid bound.
  void fill_field(std::uint32_t node, std::size_t k, double* field) {
    const NodeBounds::Node range = bounds_.nodes[node];
    const double* centre = bounds_.record(node);
    double* slope = field + 2;
    std::fill_n(slope, d_, 0.0);
    const double count = range.end - range.begin;
    double mean = 0, flat = infinity;
    for (std::uint32_t i = range.begin; i < range.end; ++i) {
      mean += phi(i, k);
      flat = std::min(flat, -fields_[k][i]);
    }
    mean /= count;
    for (std::size_t j = 0; tilted_ && j < d_; ++j) {
      double centroid = 0, product = 0, square = 0;
      for (std::uint32_t i = range.begin; i < range.end; ++i) centroid += coordinates_[i * d_ + j];
      centroid /= count;
      for (std::uint32_t i = range.begin; i < range.end; ++i) {
        const double u = coordinates_[i * d_ + j] - centroid;
        product += u * (phi(i, k) - mean);
        square += u * u;
      }
      if (square > 0 && std::isfinite(product / square)) slope[j] = product / square;
    }
    double value = infinity;
    for (std::uint32_t i = range.begin; i < range.end; ++i) {
      double rest = phi(i, k);
      for (std::size_t j = 0; j < d_; ++j) {
        rest -= slope[j] * (coordinates_[i * d_ + j] - origin_[j] - centre[j]);
      }
      if (rest < value) {
        value = rest;
        if (k == 0) bounds_.best[node] = i;
      }
    }
    field[0] = value;
    field[1] = flat;
  }

  NodeBounds& bounds_;
  const points::Tree& tree_;
  std::span<const double> coordinates_;
  const std::vector<std::span<const double>>& fields_;
  const double* origin_;
  std::size_t d_;
  double squared_;
  bool tilted_;
};

// Slope of a convex cost h(z) at z: c(x, y) >= h(z0) + gradient . (z - z0).
template <int D>
double convex_value(const Cost& cost, const double* z, std::size_t d, double* gradient) noexcept {
  double square = 0, sum = 0;
  for (std::size_t j = 0; j < d; ++j) {
    square += z[j] * z[j];
    sum += std::abs(z[j]);
  }
  const double w = cost.weight();
  if (cost.kind() == CostKind::l1) {
    for (std::size_t j = 0; j < d; ++j) gradient[j] = z[j] > 0 ? w : z[j] < 0 ? -w : 0;
    return w * sum;
  }
  const double p = cost.power(), r = std::sqrt(square);
  const double factor = r > 0 ? w * p * std::pow(r, p - 2) : 0;
  for (std::size_t j = 0; j < d; ++j) gradient[j] = factor * z[j];
  return w * std::pow(r, p);
}

}  // namespace

NodeBounds bounds_of(const points::Tree& tree, std::span<const double> coordinates,
                     const std::vector<std::span<const double>>& fields, const Cost& cost,
                     const double* origin) {
  NodeBounds bounds;
  bounds.dimension = tree.dimension;
  bounds.fields = static_cast<int>(fields.size());
  if (tree.sites == 0) return bounds;
  bounds.nodes.reserve(2 * std::size_t{tree.leaves});
  bounds.records.reserve(2 * std::size_t{tree.leaves} * bounds.stride());
  Builder(bounds, tree, coordinates, fields, cost, origin).add(0, tree.leaves);
  return bounds;
}

template <int D>
double pair_bound(const Cost& cost, const double* a, const double* b, int field) noexcept {
  const auto d = static_cast<std::size_t>(D > 0 ? D : cost.dimension());
  const double* fa = a + 2 * d + static_cast<std::size_t>(field) * (2 + d);
  const double* fb = b + 2 * d + static_cast<std::size_t>(field) * (2 + d);
  double flat = fa[1] + fb[1];
  double tilted = fa[0] + fb[0];
  if (cost.kind() == CostKind::squared_euclidean) {
    const double w2 = 2 * cost.weight();
    double square = 0;
    for (std::size_t j = 0; j < d; ++j) {
      const double x = a[j], y = b[j], u = a[d + j], v = b[d + j];
      tilted -= w2 * x * y + u * std::abs(fa[2 + j] - w2 * y) + v * std::abs(fb[2 + j] - w2 * x) +
                w2 * u * v;
      const double gap = std::max(0.0, std::abs(x - y) - u - v);
      square += gap * gap;
    }
    flat += cost.weight() * square;
    return std::max(tilted, flat);
  }
  flat += cost.least(a, a + d, b, b + d);
  if (cost.kind() == CostKind::periodic) return flat;
  std::array<double, 32> z{}, gradient{};
  if (d > z.size()) return flat;
  for (std::size_t j = 0; j < d; ++j) z[j] = a[j] - b[j];
  tilted += convex_value<D>(cost, z.data(), d, gradient.data());
  for (std::size_t j = 0; j < d; ++j) {
    tilted -=
        a[d + j] * std::abs(gradient[j] + fa[2 + j]) + b[d + j] * std::abs(fb[2 + j] - gradient[j]);
  }
  return std::max(tilted, flat);
}

template <int D>
double difference_bound(const Cost& cost, const double* a, const double* b, const double* z,
                        double level) noexcept {
  const auto d = static_cast<std::size_t>(D > 0 ? D : cost.dimension());
  const double* fb = b + 2 * d;
  if (cost.kind() == CostKind::squared_euclidean) {
    const double w = cost.weight();
    double tilted = fb[0] + level, least = fb[1] + level, most = 0;
    for (std::size_t j = 0; j < d; ++j) {
      const double x = a[j], y = b[j], u = a[d + j], v = b[d + j];
      tilted -= w * z[j] * z[j] + 2 * w * x * (y - z[j]) + v * std::abs(fb[2 + j] - 2 * w * x) +
                2 * w * u * std::abs(y - z[j]) + 2 * w * u * v;
      const double gap = std::max(0.0, std::abs(x - y) - u - v);
      const double far = std::abs(x - z[j]) + u;
      least += w * gap * gap;
      most += w * far * far;
    }
    return std::max(tilted, least - most);
  }
  constexpr std::array<double, 32> point{};  // a box without extent
  if (d > point.size()) return -infinity;
  return fb[1] + level + cost.least(a, a + d, b, b + d) - cost.most(a, a + d, z, point.data());
}

template double pair_bound<0>(const Cost&, const double*, const double*, int) noexcept;
template double pair_bound<1>(const Cost&, const double*, const double*, int) noexcept;
template double pair_bound<2>(const Cost&, const double*, const double*, int) noexcept;
template double pair_bound<3>(const Cost&, const double*, const double*, int) noexcept;
template double difference_bound<0>(const Cost&, const double*, const double*, const double*,
                                    double) noexcept;
template double difference_bound<1>(const Cost&, const double*, const double*, const double*,
                                    double) noexcept;
template double difference_bound<2>(const Cost&, const double*, const double*, const double*,
                                    double) noexcept;
template double difference_bound<3>(const Cost&, const double*, const double*, const double*,
                                    double) noexcept;

}  // namespace mensura::transport
