// SPDX-License-Identifier: BSD-3-Clause
#include "transport/hierarchy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <ranges>
#include <span>

#include "parallel/exact_sum.hpp"
#include "parallel/exchange.hpp"
#include "parallel/random.hpp"
#include "points/neighbours.hpp"

namespace mensura::transport {

namespace {

// A point on its way to its coarse cell; coordinates follow in a second array.
struct Child {
  std::uint64_t cell, id;
  double mass;
};

// Number of the cell of a point: the indices along the axes side by side, `bits` each.
std::uint64_t cell_of(const double* x, const std::vector<double>& anchor, double size, int bits) {
  std::uint64_t cell = 0;
  for (std::size_t j = 0; j < anchor.size(); ++j) {
    const double index = std::max(0.0, std::floor((x[j] - anchor[j]) / size));
    cell = (cell << static_cast<unsigned>(bits)) | static_cast<std::uint64_t>(index);
  }
  return cell;
}

// The points of every cell, summed in the order of their ids, so that no bit depends on ranks.
Cloud coarsen(const parallel::Communicator& comm, const Cloud& fine,
              const std::vector<double>& anchor, double size, int bits) {
  const auto d = static_cast<std::size_t>(fine.dimension);
  const auto ranks = static_cast<std::size_t>(comm.size());
  std::vector<std::uint64_t> cells(fine.own());
  std::vector<std::int64_t> counts(ranks, 0), widths(ranks, 0);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i] = cell_of(&fine.coordinates[i * d], anchor, size, bits);
    ++counts[parallel::mix(cells[i]) % ranks];
  }
  std::vector<std::size_t> next(ranks, 0);
  for (std::size_t r = 1; r < ranks; ++r) {
    next[r] = next[r - 1] + static_cast<std::size_t>(counts[r - 1]);
  }
  std::vector<Child> children(cells.size());
  std::vector<double> positions(cells.size() * d);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t at = next[parallel::mix(cells[i]) % ranks]++;
    children[at] = {cells[i], fine.ids[i], fine.mass[i]};
    std::copy_n(&fine.coordinates[i * d], d, &positions[at * d]);
  }
  for (std::size_t r = 0; r < ranks; ++r) widths[r] = counts[r] * fine.dimension;
  const auto here = parallel::exchange<Child>(comm, children, counts);
  const auto there = parallel::exchange<double>(comm, positions, widths);
  std::vector<std::size_t> order(here.data.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(here.data[a].cell, here.data[a].id) <
           std::pair(here.data[b].cell, here.data[b].id);
  });
  std::vector<double> coordinates, mass;
  std::vector<std::uint64_t> ids;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const std::uint64_t cell = here.data[order[begin]].cell;
    double sum = 0;
    std::vector<double> centre(d, 0.0);
    for (; end < order.size() && here.data[order[end]].cell == cell; ++end) {
      const double m = here.data[order[end]].mass;
      sum += m;
      for (std::size_t j = 0; j < d; ++j) centre[j] += m * there.data[order[end] * d + j];
    }
    ids.push_back(cell);
    mass.push_back(sum);
    for (const double c : centre) coordinates.push_back(c / sum);
  }
  return make_cloud(comm, fine.dimension, std::move(coordinates), mass, ids);
}

}  // namespace

double spacing_of(const parallel::Communicator& comm, const Marginal& marginal, const Cloud& cloud,
                  const std::function<void()>& poll) {
  if (marginal.grid) {
    const auto& spacing = marginal.grid->spacing;
    return *std::min_element(spacing.begin(), spacing.end());
  }
  // Locations: copies of a point, which are all on one rank, count once.
  const auto d = static_cast<std::size_t>(cloud.dimension);
  std::vector<std::size_t> order(cloud.own());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto row = [&](std::size_t i) { return std::span(&cloud.coordinates[i * d], d); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::ranges::lexicographical_compare(row(a), row(b));
  });
  points::LabelledPoints points;
  points.dimension = cloud.dimension;
  points.offsets = {0, marginal.input_total};
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (k > 0 && std::ranges::equal(row(order[k]), row(order[k - 1]))) continue;
    points.ids.push_back(cloud.ids[order[k]]);
    points.coordinates.insert(points.coordinates.end(), row(order[k]).begin(), row(order[k]).end());
  }
  const std::int64_t locations = comm.sum(static_cast<std::int64_t>(points.ids.size()));
  if (locations < 2) return 0;
  points::NeighbourEngine engine(comm, std::move(points), 1);
  const std::vector<points::Request> request{{~std::uint64_t{0}, 1}};
  parallel::ExactSum sum;
  engine.search(
      request, ~std::uint64_t{0}, 0, 1,
      [&](const points::Neighbourhood& site) { sum.add(std::sqrt(site.lists[0][1].distance2)); },
      poll);
  parallel::reduce(comm, std::span(&sum, 1));
  return sum.value() / static_cast<double>(locations);
}

double diameter_of(const parallel::Communicator& comm, std::span<const Cloud* const> clouds) {
  double square = 0;
  for (const double half : box_around(comm, clouds).half()) square += 4 * half * half;
  return std::sqrt(square);
}

double diameter_of(const parallel::Communicator& comm, const Cloud& x, const Cloud& y) {
  const std::array<const Cloud*, 2> both{&x, &y};
  return diameter_of(comm, both);
}

std::vector<Layer> make_layers(const parallel::Communicator& comm, std::vector<Cloud> clouds,
                               double spacing, const std::vector<double>& anchor,
                               std::int64_t coarsest) {
  std::vector<const Cloud*> all;
  for (const Cloud& cloud : clouds) all.push_back(&cloud);
  const double extent = diameter_of(comm, all);
  const auto many = static_cast<std::int64_t>(clouds.size());
  const auto points = [](const Layer& layer) {
    std::int64_t sum = 0;
    for (const Cloud& cloud : layer.clouds) sum += cloud.total;
    return sum;
  };
  const auto largest = [](const Layer& layer) {
    std::int64_t most = 0;
    for (const Cloud& cloud : layer.clouds) most = std::max(most, cloud.total);
    return most;
  };
  std::vector<Layer> layers;
  layers.push_back({std::move(clouds), spacing});
  // Indices of one axis must fit their share of 63 bits.
  const int bits = 63 / static_cast<int>(anchor.size());
  const double most_cells = std::ldexp(1.0, std::min(bits, 52));
  while (largest(layers.back()) > coarsest) {
    const Layer& fine = layers.back();
    const double size = 2 * fine.spacing;
    if (!(size > 0) || size > extent || extent / size + 2 > most_cells) break;
    Layer coarse;
    coarse.spacing = size;
    for (const Cloud& cloud : fine.clouds) {
      coarse.clouds.push_back(coarsen(comm, cloud, anchor, size, bits));
    }
    const std::int64_t before = points(fine), after = points(coarse);
    if (2 * after < many * coarsest / 8) break;
    // Cells that hold one point each: only the size grows.
    if (10 * after > 9 * before && layers.size() > 1) layers.pop_back();
    layers.push_back(std::move(coarse));
  }
  return layers;
}

std::vector<Level> make_hierarchy(const parallel::Communicator& comm, Cloud x, Cloud y,
                                  double spacing, const std::vector<double>& anchor,
                                  std::int64_t coarsest) {
  std::vector<Cloud> both;
  both.push_back(std::move(x));
  both.push_back(std::move(y));
  std::vector<Level> levels;
  for (Layer& layer : make_layers(comm, std::move(both), spacing, anchor, coarsest)) {
    levels.push_back({std::move(layer.clouds[0]), std::move(layer.clouds[1]), layer.spacing});
  }
  return levels;
}

}  // namespace mensura::transport
