// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tuples.hpp"

#include <algorithm>
#include <numeric>

#include "parallel/by_index.hpp"
#include "parallel/exchange.hpp"
#include "parallel/random.hpp"
#include "transport/graph_answer.hpp"
#include "transport/input_order.hpp"

namespace mensura::transport {

namespace {

// A question to the rank that holds a row: which entry does this uniform number hit?
struct Question {
  std::int64_t row;
  double uniform;
};

// Sends every question to the rank that `to` names; the answers come back in the same order.
template <class Reply>
std::vector<std::int64_t> ask(const parallel::Communicator& comm,
                              const std::vector<Question>& questions, const std::vector<int>& to,
                              const Reply& reply) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()), 0);
  for (const int rank : to) ++counts[static_cast<std::size_t>(rank)];
  std::vector<std::size_t> next(counts.size(), 0);
  for (std::size_t r = 1; r < next.size(); ++r) {
    next[r] = next[r - 1] + static_cast<std::size_t>(counts[r - 1]);
  }
  std::vector<Question> sorted(questions.size());
  std::vector<std::size_t> place(questions.size());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    place[i] = next[static_cast<std::size_t>(to[i])]++;
    sorted[place[i]] = questions[i];
  }
  const auto here = parallel::exchange<Question>(comm, sorted, counts);
  std::vector<std::int64_t> replies;
  parallel::agree(comm, [&] {
    for (const Question& question : here.data) replies.push_back(reply(question));
  });
  const auto back = parallel::exchange<std::int64_t>(comm, replies, here.counts).data;
  std::vector<std::int64_t> result(questions.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = back[place[i]];
  return result;
}

// The place where the running sum of the weights passes u times their total.
std::size_t hit(std::span<const double> cumulative, double u) {
  const double goal = u * cumulative.back();
  const auto found = std::ranges::upper_bound(cumulative, goal);
  const auto place = static_cast<std::size_t>(found - cumulative.begin());
  return std::min(place, cumulative.size() - 1);
}

std::vector<double> running_sum(std::span<const double> values) {
  std::vector<double> result(values.size());
  std::partial_sum(values.begin(), values.end(), result.begin());
  return result;
}

// Positions of the first node. Blocks of the input have their shares of the mass; all ranks know
// these.
std::vector<std::int64_t> first_positions(const parallel::Communicator& comm,
                                          const NodeAnswer& node,
                                          const std::vector<Question>& questions) {
  const std::vector<double> mass =
      to_input_blocks(comm, node.transported, 1, node.ids, node.input_total, 0.0);
  const std::vector<double> sums = running_sum(mass);
  const double own = sums.empty() ? 0 : sums.back();
  const std::vector<double> blocks = running_sum(comm.all_gather(std::span(&own, 1)));
  const std::int64_t first = parallel::Blocks{node.input_total, comm.size()}.begin(comm.rank());
  std::vector<Question> local = questions;
  std::vector<int> to;
  for (Question& question : local) {
    const std::size_t block = hit(blocks, question.uniform);
    const double before = block == 0 ? 0 : blocks[block - 1];
    question.uniform = std::clamp(
        (question.uniform * blocks.back() - before) / (blocks[block] - before), 0.0, 1.0);
    to.push_back(static_cast<int>(block));
  }
  return ask(comm, local, to, [&](const Question& question) {
    return first + static_cast<std::int64_t>(hit(sums, question.uniform));
  });
}

// The plan between two nodes with its rows at `from`, in blocks of the input.
PlanAnswer rows_at(const parallel::Communicator& comm, const Answer& answer, std::size_t from,
                   std::size_t to) {
  for (const PlanAnswer& plan : answer.plans) {
    const std::int64_t columns = answer.nodes[plan.columns_node].input_total;
    if (plan.columns_node == from && plan.rows_node == to) return transposed(comm, plan, columns);
    if (plan.rows_node != from || plan.columns_node != to) continue;
    return transposed(comm, transposed(comm, plan, columns), answer.nodes[from].input_total);
  }
  parallel::require(false, "every edge of the tree has its plan");
  return {};
}

}  // namespace

bool draw_tuples(const parallel::Communicator& comm, const std::vector<EdgeSpec>& edges,
                 std::uint64_t seed, std::int64_t count, Answer& answer) {
  if (answer.plans.size() != edges.size()) return false;
  const std::size_t nodes = answer.nodes.size();
  const parallel::Blocks blocks{count, comm.size()};
  const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
  const auto first = static_cast<std::uint64_t>(blocks.begin(comm.rank()));
  const parallel::Stream stream(seed, "transport", "tuples");
  std::vector<std::vector<std::int64_t>> positions(nodes);
  std::vector<Question> questions(own);
  const auto draw = [&](std::size_t node) {
    for (std::size_t i = 0; i < own; ++i) {
      questions[i].uniform = stream.uniform(first + i, node);
    }
  };
  draw(0);
  positions[0] = first_positions(comm, answer.nodes[0], questions);
  std::vector<std::size_t> known{0};
  for (std::size_t next = 0; next < known.size(); ++next) {
    const std::size_t from = known[next];
    for (const EdgeSpec& edge : edges) {
      if (edge.from != from && edge.to != from) continue;
      const std::size_t to = edge.from == from ? edge.to : edge.from;
      if (std::ranges::find(known, to) != known.end()) continue;
      const PlanAnswer plan = rows_at(comm, answer, from, to);
      const parallel::Blocks rows{answer.nodes[from].input_total, comm.size()};
      draw(to);
      std::vector<int> owners;
      for (std::size_t i = 0; i < own; ++i) {
        questions[i].row = positions[from][i];
        owners.push_back(rows.owner(positions[from][i]));
      }
      positions[to] = ask(comm, questions, owners, [&](const Question& question) {
        const auto found =
            std::ranges::lower_bound(plan.row_ids, static_cast<std::uint64_t>(question.row));
        parallel::require(
            found != plan.row_ids.end() && *found == static_cast<std::uint64_t>(question.row),
            "a point that was drawn has a row");
        const auto row = static_cast<std::size_t>(found - plan.row_ids.begin());
        const auto begin = static_cast<std::size_t>(plan.row_starts[row]);
        const auto end = static_cast<std::size_t>(plan.row_starts[row + 1]);
        const auto sums = running_sum(std::span(plan.values).subspan(begin, end - begin));
        return plan.columns[begin + hit(sums, question.uniform)];
      });
      known.push_back(to);
    }
  }
  answer.tuple_count = count;
  answer.tuples.resize(own * nodes);
  for (std::size_t k = 0; k < nodes; ++k) {
    for (std::size_t i = 0; i < own; ++i) answer.tuples[i * nodes + k] = positions[k][i];
  }
  return true;
}

}  // namespace mensura::transport
