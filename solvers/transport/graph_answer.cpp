// SPDX-License-Identifier: BSD-3-Clause
#include "transport/graph_answer.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <sstream>
#include <utility>

#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/exchange.hpp"
#include "transport/cloud.hpp"
#include "transport/state_numbers.hpp"

namespace mensura::transport {

namespace {

// What a group's leader tells all ranks of its part, in numbers and words.
struct Facts {
  std::vector<double> numbers;
  std::string words;
};

Facts facts_of(const Answer& answer) {
  Facts facts;
  facts.numbers = {answer.converged ? 1.0 : 0.0, answer.marginal_error_l1,
                   answer.cost_linear,           answer.cost_regularised,
                   answer.primal_rounded,        answer.dual,
                   answer.gap_absolute,          static_cast<double>(answer.plans.size())};
  const std::vector<double> history = packed(answer.history);
  facts.numbers.insert(facts.numbers.end(), history.begin(), history.end());
  facts.words = answer.method + '\n' + answer.reason + '\n' + answer.advice + '\n';
  return facts;
}

constexpr std::size_t plain_numbers = 8;

Facts told(const parallel::Communicator& comm, const PartAnswer& part) {
  Facts facts;
  if (part.answer != nullptr) facts = facts_of(*part.answer);
  std::int64_t size = std::ssize(facts.numbers);
  comm.broadcast(std::span(&size, 1), part.leader);
  facts.numbers.resize(static_cast<std::size_t>(size));
  comm.broadcast(std::span(facts.numbers), part.leader);
  comm.broadcast(facts.words, part.leader);
  return facts;
}

double worst(double a, double b) {
  return std::isnan(a) || a < b ? b : a;
}

// Costs and bounds of the parts add up; a number that one of them does not have is unknown.
void add_facts(const Facts& facts, std::size_t part, Answer& whole) {
  const std::vector<double>& n = facts.numbers;
  whole.converged = whole.converged && n[0] > 0;
  whole.marginal_error_l1 = worst(whole.marginal_error_l1, n[1]);
  whole.cost_linear += n[2];
  whole.cost_regularised += n[3];
  whole.primal_rounded += n[4];
  whole.dual += n[5];
  whole.gap_absolute += n[6];
  std::array<std::string, 3> words;
  std::istringstream lines(facts.words);
  for (std::string& line : words) std::getline(lines, line);
  const auto& [method, reason, advice] = words;
  if (whole.advice.empty()) whole.advice = advice;
  if (part == 0) {
    whole.method = method;
    whole.reason = reason;
  } else if (whole.method != method) {
    whole.method = "mixed";
    whole.reason = "the parts of the graph are different";
  }
  const std::vector<double> packed_history(n.begin() + static_cast<std::ptrdiff_t>(plain_numbers),
                                           n.end());
  for (StageReport& stage : unpacked(packed_history)) {
    stage.part = static_cast<std::int64_t>(part);
    whole.newton_iterations.push_back(stage.newton);
    whole.sinkhorn_iterations.push_back(stage.sinkhorn);
    whole.cg_iterations.insert(whole.cg_iterations.end(), stage.cg.begin(), stage.cg.end());
    whole.history.push_back(std::move(stage));
  }
}

// A node's arrays of a part; empty on the ranks of other groups.
NodeAnswer node_of(const parallel::Communicator& comm, const PartAnswer& part, std::size_t place) {
  NodeAnswer node;
  if (part.answer != nullptr) node = part.answer->nodes[place];
  comm.broadcast(node.name, part.leader);
  std::vector<std::int64_t> sizes{node.dimension, node.input_total,
                                  node.grid ? std::ssize(node.grid->shape) : 0,
                                  node.free_places ? 1 : 0};
  comm.broadcast(std::span(sizes), part.leader);
  node.dimension = static_cast<int>(sizes[0]);
  node.input_total = sizes[1];
  node.free_places = sizes[3] != 0;
  if (sizes[2] == 0) return node;
  const auto axes = static_cast<std::size_t>(sizes[2]);
  output::RegularGrid grid = node.grid.value_or(output::RegularGrid{});
  grid.shape.resize(axes);
  grid.origin.resize(axes);
  grid.spacing.resize(axes);
  comm.broadcast(std::span(grid.shape), part.leader);
  comm.broadcast(std::span(grid.origin), part.leader);
  comm.broadcast(std::span(grid.spacing), part.leader);
  node.grid = std::move(grid);
  return node;
}

// Adds what a further part knows of a node; returns how far the marginals are apart.
double add_node(const parallel::Communicator& comm, const NodeAnswer& more, NodeAnswer& node) {
  const std::vector<double> potential = values_at(comm, more.ids, more.potential, 1, node.ids);
  const std::vector<double> transported = values_at(comm, more.ids, more.transported, 1, node.ids);
  parallel::ExactSum apart;
  for (std::size_t i = 0; i < node.ids.size(); ++i) {
    node.potential[i] += potential[i];
    apart.add(std::abs(transported[i] - node.transported[i]));
  }
  parallel::reduce(comm, std::span(&apart, 1));
  node.map.clear();  // one edge's map is not the node's
  return apart.value();
}

PlanAnswer empty_plan() {
  PlanAnswer plan;
  plan.row_starts = {0};
  return plan;
}

}  // namespace

PlanAnswer transposed(const parallel::Communicator& comm, const PlanAnswer& plan,
                      std::int64_t columns) {
  struct Entry {
    std::int64_t column, row;
    double value;
  };
  const parallel::Blocks blocks{columns, comm.size()};
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()), 0);
  for (const std::int64_t column : plan.columns) {
    ++counts[static_cast<std::size_t>(blocks.owner(column))];
  }
  std::vector<std::size_t> next(counts.size(), 0);
  for (std::size_t r = 1; r < next.size(); ++r) {
    next[r] = next[r - 1] + static_cast<std::size_t>(counts[r - 1]);
  }
  std::vector<Entry> entries(plan.columns.size());
  for (std::size_t i = 0; i < plan.row_ids.size(); ++i) {
    for (auto k = static_cast<std::size_t>(plan.row_starts[i]);
         k < static_cast<std::size_t>(plan.row_starts[i + 1]); ++k) {
      entries[next[static_cast<std::size_t>(blocks.owner(plan.columns[k]))]++] = {
          plan.columns[k], static_cast<std::int64_t>(plan.row_ids[i]), plan.values[k]};
    }
  }
  auto here = parallel::exchange<Entry>(comm, entries, counts).data;
  PlanAnswer result;
  parallel::agree(comm, [&] {
    std::ranges::sort(here, [](const Entry& a, const Entry& b) {
      return std::pair(a.column, a.row) < std::pair(b.column, b.row);
    });
    for (std::size_t k = 0; k < here.size(); ++k) {
      if (k == 0 || here[k].column != here[k - 1].column) {
        result.row_ids.push_back(static_cast<std::uint64_t>(here[k].column));
        result.row_starts.push_back(static_cast<std::int64_t>(k));
      }
      result.columns.push_back(here[k].row);
      result.values.push_back(here[k].value);
    }
    result.row_starts.push_back(std::ssize(here));
  });
  result.rows_node = plan.columns_node;
  result.columns_node = plan.rows_node;
  return result;
}

Answer merge_answers(const parallel::Communicator& comm, const Problem& problem,
                     const std::vector<PartAnswer>& parts) {
  Answer whole;
  whole.converged = true;
  whole.cost_linear = whole.cost_regularised = whole.primal_rounded = whole.dual = 0;
  whole.gap_absolute = whole.shared_marginal_error = 0;
  whole.nodes.resize(problem.marginals.size());
  std::vector<char> seen(problem.marginals.size(), 0);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const PartAnswer& part = parts[p];
    const Facts facts = told(comm, part);
    add_facts(facts, p, whole);
    // Splines are no parts of anything larger: all ranks have the paths.
    if (part.answer != nullptr && part.answer->paths) whole.paths = part.answer->paths;
    for (std::size_t i = 0; i < part.nodes.size(); ++i) {
      NodeAnswer node = node_of(comm, part, i);
      NodeAnswer& to = whole.nodes[part.nodes[i]];
      if (seen[part.nodes[i]] == 0) {
        to = std::move(node);
        seen[part.nodes[i]] = 1;
        continue;
      }
      whole.shared_marginal_error = std::max(whole.shared_marginal_error, add_node(comm, node, to));
    }
    const auto plans = static_cast<std::size_t>(facts.numbers[plain_numbers - 1]);
    for (std::size_t e = 0; e < plans; ++e) {
      PlanAnswer plan = part.answer != nullptr ? part.answer->plans[e] : empty_plan();
      std::vector<std::int64_t> ends{static_cast<std::int64_t>(plan.rows_node),
                                     static_cast<std::int64_t>(plan.columns_node)};
      comm.broadcast(std::span(ends), part.leader);
      plan.rows_node = part.nodes[static_cast<std::size_t>(ends[0])];
      plan.columns_node = part.nodes[static_cast<std::size_t>(ends[1])];
      const bool turned = std::ranges::any_of(problem.edges, [&](const EdgeSpec& edge) {
        return edge.from == plan.columns_node && edge.to == plan.rows_node;
      });
      if (turned) plan = transposed(comm, plan, whole.nodes[plan.columns_node].input_total);
      plan.edge = whole.nodes[plan.rows_node].name + "-" + whole.nodes[plan.columns_node].name;
      whole.plans.push_back(std::move(plan));
    }
  }
  whole.gap_relative = whole.gap_absolute == 0 ? 0 : whole.gap_absolute / whole.primal_rounded;
  return whole;
}

}  // namespace mensura::transport
