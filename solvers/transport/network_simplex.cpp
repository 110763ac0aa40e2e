// SPDX-License-Identifier: BSD-3-Clause
#include "transport/network_simplex.hpp"

#define LEMON_ONLY_TEMPLATES  // the compiled part of LEMON is not needed
#include <lemon/network_simplex.h>
#include <lemon/static_graph.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <numeric>
#include <thread>
#include <utility>

#include "parallel/error.hpp"

namespace mensura::transport {

namespace {

using Graph = lemon::StaticDigraph;

// LEMON's arcs: those of every row, its way to the hub last, then the hub's.
std::vector<std::pair<int, int>> ends_of(const WholeTransport& problem) {
  const auto rows = static_cast<std::uint32_t>(problem.supply.size());
  const auto columns = static_cast<std::uint32_t>(problem.demand.size());
  const int hub = static_cast<int>(rows + columns);
  std::vector<std::pair<int, int>> ends;
  ends.reserve(problem.arcs.size() + rows + columns);
  auto arc = problem.arcs.begin();
  for (std::uint32_t i = 0; i < rows; ++i) {
    for (; arc != problem.arcs.end() && arc->row == i; ++arc) {
      ends.emplace_back(static_cast<int>(i), static_cast<int>(rows + arc->column));
    }
    ends.emplace_back(static_cast<int>(i), hub);
  }
  for (std::uint32_t j = 0; j < columns; ++j) ends.emplace_back(hub, static_cast<int>(rows + j));
  return ends;
}

}  // namespace

WholeSolution network_simplex(const WholeTransport& problem) {
  const auto rows = static_cast<int>(problem.supply.size());
  const auto columns = static_cast<int>(problem.demand.size());
  const int hub = rows + columns;
  Graph graph;
  {
    const std::vector<std::pair<int, int>> ends = ends_of(problem);
    graph.build(hub + 1, ends.begin(), ends.end());
  }
  Graph::NodeMap<std::int64_t> supply(graph, 0);
  for (int i = 0; i < rows; ++i) supply[graph.node(i)] = problem.supply[std::size_t(i)];
  for (int j = 0; j < columns; ++j) supply[graph.node(rows + j)] = -problem.demand[std::size_t(j)];
  Graph::ArcMap<std::int64_t> cost(graph, problem.half_detour);
  // Arc k of the problem stands behind one way to the hub for each row before its own.
  const auto place = [&](std::size_t k) {
    return graph.arc(static_cast<int>(k) + static_cast<int>(problem.arcs[k].row));
  };
  for (std::size_t k = 0; k < problem.arcs.size(); ++k) cost[place(k)] = problem.arcs[k].cost;
  lemon::NetworkSimplex<Graph, std::int64_t, std::int64_t> simplex(graph);
  const auto status = simplex.supplyMap(supply).costMap(cost).run();
  parallel::require(status == decltype(simplex)::OPTIMAL, "supply and demand have the same sum");
  WholeSolution result;
  result.flow.resize(problem.arcs.size());
  std::int64_t direct = 0, all = 0;
  for (std::size_t k = 0; k < result.flow.size(); ++k) {
    result.flow[k] = simplex.flow(place(k));
    direct += result.flow[k];
  }
  for (const std::int64_t s : problem.supply) all += s;
  result.detour = all - direct;
  // LEMON's reduced costs are cost + potential(source) - potential(target).
  const std::int64_t level = simplex.potential(graph.node(hub));
  for (int i = 0; i < rows; ++i) {
    result.row_potential.push_back(level - simplex.potential(graph.node(i)));
  }
  for (int j = 0; j < columns; ++j) {
    result.column_potential.push_back(simplex.potential(graph.node(rows + j)) - level);
  }
  return result;
}

struct SimplexThread::State {
  WholeTransport problem;
  WholeSolution solution;
  std::exception_ptr failure;
  std::atomic<bool> done = false;
};

SimplexThread::SimplexThread(WholeTransport problem) : state_(std::make_shared<State>()) {
  state_->problem = std::move(problem);
  std::thread([state = state_] {
    try {
      state->solution = network_simplex(state->problem);
    } catch (...) {
      state->failure = std::current_exception();
    }
    state->done = true;
  }).detach();
}

bool SimplexThread::done() const {
  return state_->done;
}

WholeSolution SimplexThread::take() {
  if (state_->failure) std::rethrow_exception(state_->failure);
  return std::move(state_->solution);
}

std::vector<std::int64_t> whole_masses(const std::vector<double>& mass, std::int64_t total) {
  long double sum = 0;
  for (const double m : mass) sum += m;
  std::vector<std::int64_t> result(mass.size());
  std::vector<long double> rest(mass.size());
  std::int64_t missing = total;
  for (std::size_t i = 0; i < mass.size(); ++i) {
    const long double exact = mass[i] / sum * static_cast<long double>(total);
    result[i] = std::max(std::int64_t{1}, static_cast<std::int64_t>(std::floor(exact)));
    rest[i] = exact - static_cast<long double>(result[i]);
    missing -= result[i];
  }
  std::vector<std::size_t> order(mass.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  // Where masses below one unit were raised, or rounding adds up, some rounds of one unit each.
  for (std::size_t k = 0; missing > 0; k = (k + 1) % order.size(), --missing) ++result[order[k]];
  for (std::size_t k = order.size(); missing < 0; k = k == 1 ? order.size() : k - 1) {
    std::int64_t& last = result[order[k - 1]];
    if (last > 1) --last, ++missing;
  }
  return result;
}

}  // namespace mensura::transport
