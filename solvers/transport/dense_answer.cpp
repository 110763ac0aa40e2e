// SPDX-License-Identifier: BSD-3-Clause
#include "transport/dense_answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/by_index.hpp"

namespace mensura::transport {

namespace {

// The values of all ranks one after another, on every rank.
template <class T>
std::vector<T> everywhere(const parallel::Communicator& comm, std::span<const T> own) {
  const std::int64_t count = std::ssize(own);
  const std::vector<std::int64_t> counts =
      comm.all_gather(std::span<const std::int64_t>(&count, 1));
  std::vector<T> result;
  parallel::agree(comm, [&] {
    result.resize(
        static_cast<std::size_t>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})));
  });
  std::size_t at = 0;
  for (int r = 0; r < comm.size(); ++r) {
    const auto size = static_cast<std::size_t>(counts[static_cast<std::size_t>(r)]);
    if (size == 0) continue;
    const std::span<T> part(&result[at], size);
    if (r == comm.rank()) std::ranges::copy(own, part.begin());
    comm.broadcast(part, r);
    at += size;
  }
  return result;
}

GatheredMarginal gathered(const parallel::Communicator& comm, const Marginal& marginal) {
  const auto coordinates = everywhere(comm, std::span<const double>(marginal.coordinates));
  const auto mass = everywhere(comm, std::span<const double>(marginal.mass));
  const auto ids = everywhere(comm, std::span<const std::uint64_t>(marginal.ids));
  const auto d = static_cast<std::size_t>(marginal.dimension);
  GatheredMarginal result{.name = marginal.name,
                          .dimension = marginal.dimension,
                          .input_total = marginal.input_total,
                          .grid = marginal.grid,
                          .total_mass = marginal.total_mass,
                          .coordinates = {},
                          .mass = {},
                          .ids = {}};
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return ids[i]; });
  for (const std::size_t i : order) {
    result.ids.push_back(ids[i]);
    result.mass.push_back(mass[i] / marginal.total_mass);
    for (std::size_t a = 0; a < d; ++a) result.coordinates.push_back(coordinates[i * d + a]);
  }
  return result;
}

}  // namespace

std::vector<GatheredMarginal> gather_marginals(const parallel::Communicator& comm,
                                               std::span<const Marginal> marginals,
                                               std::int64_t most, const std::string& solver,
                                               const std::string& advice) {
  std::int64_t points = 0;
  for (const Marginal& marginal : marginals) points += marginal.total;
  if (points > most) {
    throw parallel::Error(parallel::ExitCode::too_large,
                          fmt::format("the marginals have {} points together, more than the {} "
                                      "that {} takes: {}",
                                      points, most, solver, advice));
  }
  std::vector<GatheredMarginal> result;
  for (const Marginal& marginal : marginals) result.push_back(gathered(comm, marginal));
  return result;
}

void set_costs(double linear, double regularised, double mass, double epsilon, std::size_t nodes,
               Answer& answer) {
  answer.cost_linear = mass * linear;
  answer.cost_regularised =
      mass * (regularised - epsilon * static_cast<double>(nodes - 1) * std::log(mass));
}

NodeFields canonical(NodeFields potentials, std::span<const GatheredMarginal> nodes,
                     double epsilon) {
  double rest = -epsilon * static_cast<double>(nodes.size() - 1) * std::log(nodes[0].total_mass);
  for (std::size_t k = 0; k + 1 < nodes.size(); ++k) {
    double mean = 0;
    for (std::size_t i = 0; i < nodes[k].size(); ++i) mean += nodes[k].mass[i] * potentials[k][i];
    for (double& value : potentials[k]) value -= mean;
    rest += mean;
  }
  for (double& value : potentials.back()) value += rest;
  return potentials;
}

NodeAnswer block_of(const parallel::Communicator& comm, const GatheredMarginal& node,
                    std::span<const double> transported, std::span<const double> potential) {
  const parallel::Blocks blocks{static_cast<std::int64_t>(node.size()), comm.size()};
  const auto begin = static_cast<std::size_t>(blocks.begin(comm.rank()));
  const auto end = begin + static_cast<std::size_t>(blocks.size(comm.rank()));
  const auto d = static_cast<std::size_t>(node.dimension);
  NodeAnswer result;
  result.name = node.name;
  result.dimension = node.dimension;
  result.input_total = node.input_total;
  result.grid = node.grid;
  for (std::size_t i = begin; i < end; ++i) {
    result.ids.push_back(node.ids[i]);
    for (std::size_t a = 0; a < d; ++a) result.coordinates.push_back(node.coordinates[i * d + a]);
    result.mass.push_back(node.total_mass * node.mass[i]);
    result.transported.push_back(node.total_mass * transported[i]);
    result.potential.push_back(potential[i]);
  }
  return result;
}

PlanAnswer plan_of_rows(const GatheredMarginal& rows, const GatheredMarginal& columns,
                        std::size_t first, std::span<const double> values) {
  const std::size_t width = columns.size();
  PlanAnswer plan;
  plan.edge = rows.name + "-" + columns.name;
  plan.row_starts = {0};
  for (std::size_t i = 0; i * width < values.size(); ++i) {
    const std::span<const double> row = values.subspan(i * width, width);
    const double least = least_share_of_row * std::accumulate(row.begin(), row.end(), 0.0);
    for (std::size_t j = 0; j < width; ++j) {
      if (!(row[j] > least)) continue;
      plan.columns.push_back(static_cast<std::int64_t>(columns.ids[j]));
      plan.values.push_back(rows.total_mass * row[j]);
    }
    plan.row_ids.push_back(rows.ids[first + i]);
    plan.row_starts.push_back(std::ssize(plan.columns));
  }
  return plan;
}

}  // namespace mensura::transport
