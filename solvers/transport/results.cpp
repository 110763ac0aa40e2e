// SPDX-License-Identifier: BSD-3-Clause
#include "transport/results.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "output/field_writer.hpp"
#include "parallel/by_index.hpp"
#include "transport/input_order.hpp"

namespace mensura::transport {

using output::Value;

namespace {

void add(output::Record& record, const char* name, Value value, const char* status = nullptr) {
  Value::Object entry;
  entry.emplace_back("name", name);
  entry.emplace_back("value", std::move(value));
  if (status != nullptr) entry.emplace_back("status", status);
  record.add_result(std::move(entry));
}

void add_number(output::Record& record, const char* name, double value) {
  add(record, name, value, std::isnan(value) ? "does not apply to this method" : nullptr);
}

void add_history(const StageReport& stage, output::Record& record) {
  Value::Object entry;
  const auto put = [&](const char* key, Value value) { entry.emplace_back(key, std::move(value)); };
  put("level", std::int64_t{stage.level});
  put("points", stage.points);
  put("regularisation", stage.regularisation);
  put("method", stage.method);
  put("newton_iterations", stage.newton);
  put("cg_iterations", Value(stage.cg));
  put("sinkhorn_iterations", stage.sinkhorn);
  put("searches", stage.searches);
  put("plan_per_row", stage.plan_per_row);
  put("laplacian_per_row", stage.laplacian_per_row);
  put("marginal_error_l1", stage.error_l1);
  put("dual_objective", stage.dual_objective);
  put("sweep_rate", stage.sweep_rate);
  put("seconds", stage.seconds);
  put("inner_iterations", stage.inner);
  put("part", stage.part);
  record.add_history(std::move(entry));
}

constexpr double nothing = Answer::unknown;

// This rank's share of a node's arrays in the order of the input, with their shape.
class InputOrder {
 public:
  InputOrder(const parallel::Communicator& comm, const NodeAnswer& node)
      : comm_(comm),
        node_(node),
        first_(parallel::Blocks{node.input_total, comm.size()}.begin(comm.rank())) {}

  std::int64_t first() const { return first_; }
  std::vector<double> restored(const std::vector<double>& values, int width, double fill) const {
    return to_input_blocks(comm_, values, width, node_.ids, node_.input_total, fill);
  }
  output::Placement placement(std::int64_t width = 1) const {
    auto shape = node_.grid ? node_.grid->shape : std::vector<std::int64_t>{node_.input_total};
    if (width != 1) shape.push_back(width);
    return {std::move(shape), first_ * width};
  }

 private:
  const parallel::Communicator& comm_;
  const NodeAnswer& node_;
  std::int64_t first_;
};

void write_node(output::File& file, const NodeAnswer& node) {
  const InputOrder order(file.communicator(), node);
  const std::string& name = node.name;
  file.group("/marginals/" + name);
  file.distributed("/marginals/" + name + "/mass", order.restored(node.mass, 1, 0.0),
                   order.placement(), {"1", "mass of every point or pixel of the input"});
  if (node.grid) {
    const std::string object = "/marginals/" + name;
    file.attribute(object, "origin", std::span<const double>(node.grid->origin));
    file.attribute(object, "spacing", std::span<const double>(node.grid->spacing));
  }
  if (node.free_places) {
    file.distributed("/marginals/" + name + "/points",
                     order.restored(node.coordinates, node.dimension, nothing),
                     {{node.input_total, node.dimension}, order.first() * node.dimension},
                     {"length",
                      "places that were sought, a row for every point; coordinates in the order of "
                      "the given marginals (grids: slowest axis first)"});
  }
  if (file.communicator().max(static_cast<std::int64_t>(node.transported.size())) > 0) {
    file.distributed("/marginals/" + name + "/transported",
                     order.restored(node.transported, 1, 0.0), order.placement(),
                     {"1", "mass that the plan moves from or to it"});
  }
  if (file.communicator().max(static_cast<std::int64_t>(node.potential.size())) > 0) {
    file.distributed("/potentials/" + name, order.restored(node.potential, 1, nothing),
                     order.placement(), {"cost", "dual potential; NaN where there is no mass"});
  }
  if (file.communicator().max(static_cast<std::int64_t>(node.map.size())) > 0) {
    auto placement = order.placement(node.dimension);
    // A line's map has the shape of its points.
    file.distributed("/maps/" + name, order.restored(node.map, node.dimension, nothing), placement,
                     {"length",
                      "where the mass goes on average, coordinates in the order of the input "
                      "(grids: slowest axis first); NaN where there is no mass"});
  }
}

void write_plan(output::File& file, const Answer& answer, const PlanAnswer& sparse) {
  const parallel::Communicator& comm = file.communicator();
  const std::int64_t rows = answer.nodes[sparse.rows_node].input_total;
  const InputOrderPlan plan = to_input_order(comm, sparse, rows);
  const std::string folder = "/plans/" + sparse.edge;
  file.group(folder);
  const std::int64_t first_row = parallel::Blocks{rows, comm.size()}.begin(comm.rank());
  const std::int64_t first = parallel::Blocks{plan.nonzeros, comm.size()}.begin(comm.rank());
  file.distributed(folder + "/indptr", plan.row_starts, {{rows + 1}, first_row},
                   {"1", "first entry of every row; rows are input points of the first marginal"});
  file.distributed(folder + "/indices", plan.columns, {{plan.nonzeros}, first},
                   {"1", "column: input point of the second marginal, ascending in every row"});
  file.distributed(folder + "/data", plan.values, {{plan.nonzeros}, first},
                   {"1", "mass that moves from the row's point to the column's"});
  const std::vector<std::int64_t> shape{rows, answer.nodes[sparse.columns_node].input_total};
  file.attribute(folder, "shape", std::span<const std::int64_t>(shape));
}

void write_tuples(output::File& file, const Problem& problem, const Answer& answer) {
  const auto nodes = static_cast<std::int64_t>(answer.nodes.size());
  const std::int64_t first = parallel::Blocks{problem.tuples, file.communicator().size()}.begin(
      file.communicator().rank());
  file.distributed("/tuples", answer.tuples, {{problem.tuples, nodes}, first * nodes},
                   {"1", "samples of the plan: input positions, a column for every marginal"});
}

// Map minus place, components x, y, z: those of a grid are stored slowest axis first.
std::vector<double> displacement_of(const NodeAnswer& node) {
  const auto d = static_cast<std::size_t>(node.dimension);
  std::vector<double> result(node.map.size());
  for (std::size_t i = 0; i < node.ids.size(); ++i) {
    for (std::size_t axis = 0; axis < d; ++axis) {
      const std::size_t stored = i * d + d - 1 - axis;
      result[i * d + axis] = node.map[stored] - node.coordinates[stored];
    }
  }
  return result;
}

}  // namespace

void record(const Answer& answer, output::Record& record) {
  add_number(record, "marginal_error_l1", answer.marginal_error_l1);
  Value::Object cost;
  cost.emplace_back("name", "cost_linear");
  cost.emplace_back("value", answer.cost_linear);
  if (std::isnan(answer.cost_linear)) cost.emplace_back("status", "does not apply to this method");
  if (!std::isnan(answer.standard_error)) {
    cost.emplace_back("standard_error", answer.standard_error);
  }
  record.add_result(std::move(cost));
  add_number(record, "cost_regularised", answer.cost_regularised);
  add_number(record, "primal_rounded", answer.primal_rounded);
  add_number(record, "dual", answer.dual);
  add_number(record, "gap_absolute", answer.gap_absolute);
  add_number(record, "gap_relative", answer.gap_relative);
  if (!std::isnan(answer.shared_marginal_error)) {
    add(record, "shared_marginal_error", answer.shared_marginal_error);
  }
  if (!std::isnan(answer.divergence)) add(record, "divergence", answer.divergence);
  add_number(record, "regularisation", answer.regularisation);
  add(record, "newton_iterations", Value(answer.newton_iterations));
  add(record, "cg_iterations", Value(answer.cg_iterations));
  add(record, "sinkhorn_iterations", Value(answer.sinkhorn_iterations));
  Value::Object method;
  method.emplace_back("name", "method");
  method.emplace_back("value", answer.method);
  if (!answer.reason.empty()) method.emplace_back("reason", answer.reason);
  record.add_result(std::move(method));
  for (const StageReport& stage : answer.history) add_history(stage, record);
}

void write_answer(output::File& file, const Problem& problem, const Answer& answer) {
  for (const NodeAnswer& node : answer.nodes) write_node(file, node);
  if (problem.tuples > 0) write_tuples(file, problem, answer);
  if (!problem.write_plan) return;
  for (const PlanAnswer& plan : answer.plans) write_plan(file, answer, plan);
}

void write_fields(const parallel::Communicator& comm, const std::string& folder,
                  const output::Provenance& provenance, const Answer& answer) {
  for (const NodeAnswer& node : answer.nodes) {
    if (!node.grid) continue;
    const InputOrder order(comm, node);
    output::FieldWriter writer(comm, folder, node.name, provenance);
    writer.grid(*node.grid, order.first());
    writer.field("mass", order.restored(node.mass, 1, 0.0), 1, {"1", "mass of every pixel"});
    if (comm.max(static_cast<std::int64_t>(node.transported.size())) > 0) {
      writer.field("transported", order.restored(node.transported, 1, 0.0), 1,
                   {"1", "mass that the plan moves from or to it"});
    }
    if (comm.max(static_cast<std::int64_t>(node.potential.size())) > 0) {
      writer.field("potential", order.restored(node.potential, 1, nothing), 1,
                   {"cost", "dual potential; NaN where there is no mass"});
    }
    if (comm.max(static_cast<std::int64_t>(node.map.size())) > 0) {
      writer.field("displacement", order.restored(displacement_of(node), node.dimension, nothing),
                   node.dimension, {"length", "map minus place; NaN where there is no mass"});
    }
    writer.finish();
  }
}

}  // namespace mensura::transport
