// SPDX-License-Identifier: BSD-3-Clause
#include "transport/marginal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "output/dataset_reader.hpp"
#include "output/memory.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/random.hpp"
#include "transport/closing.hpp"
#include "transport/deck.hpp"
#include "transport/grid_values.hpp"
#include "transport/resize.hpp"

namespace mensura::transport {

namespace {

using parallel::Error;
using parallel::ExitCode;

// Balanced problems: what sums of rounded masses may differ by.
constexpr double mass_tolerance = 1e-12;

output::Rows rows_of(const MarginalSpec& spec) {
  return {spec.rows.start, spec.rows.stop, spec.rows.step};
}

std::string dataset_text(const MarginalSpec& spec, const std::string& dataset) {
  return fmt::format("{}{}:{}", spec.where.empty() ? "" : spec.where + ": ", spec.file.string(),
                     dataset);
}

// What reading says of a file, after the place of its marginal in the deck.
template <class Action>
auto at_place(const MarginalSpec& spec, const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    const std::string text = error.what();
    if (error.code() != ExitCode::input_data || text.starts_with(spec.where)) throw;
    throw Error(ExitCode::input_data, spec.where + ": " + text);
  }
}

// Values with their places, before they are mass.
struct Values {
  std::vector<double> values;
  std::uint64_t fingerprint = 0;
  std::vector<double> coordinates{};  // of point clouds
};

// One number for each row of the points' dataset, before rows are selected.
void check_weights(const parallel::Communicator& comm, const MarginalSpec& spec) {
  const auto points = output::inspect(comm, spec.file.string(), spec.dataset);
  const auto weights = output::inspect(comm, spec.file.string(), spec.weights);
  const bool flat =
      weights.shape.size() == 1 || (weights.shape.size() == 2 && weights.shape[1] == 1);
  if (!flat) {
    throw Error(ExitCode::input_data,
                fmt::format("{} has {} axes; weights need (n,), one number for each point",
                            dataset_text(spec, spec.weights), weights.shape.size()));
  }
  if (weights.shape[0] != points.shape[0]) {
    throw Error(ExitCode::input_data,
                fmt::format("{} has {} weights for the {} points of {}; give one for each point",
                            dataset_text(spec, spec.weights), weights.shape[0], points.shape[0],
                            spec.dataset));
  }
}

void refuse_bad_weights(const parallel::Communicator& comm, const MarginalSpec& spec,
                        const output::PointBlock& weights) {
  constexpr auto none = std::numeric_limits<std::int64_t>::max();
  const auto bad = std::find_if(weights.values.begin(), weights.values.end(),
                                [](double weight) { return !(weight >= 0); });
  const std::int64_t first =
      bad == weights.values.end() ? none : weights.first + (bad - weights.values.begin());
  const std::int64_t first_of_all = comm.min(first);
  parallel::agree(comm, [&] {
    if (first == none || first != first_of_all) return;
    throw Error(ExitCode::input_data, fmt::format("{}: row {} is {}; mass is a finite number >= 0",
                                                  dataset_text(spec, spec.weights),
                                                  spec.rows.start + first * spec.rows.step, *bad));
  });
}

Values point_values(const parallel::Communicator& comm, const MarginalSpec& spec,
                    const std::function<void()>& poll) {
  if (!spec.weights.empty()) check_weights(comm, spec);
  auto block = output::read_points(comm, spec.file.string(), spec.dataset, rows_of(spec));
  poll();
  Values result;
  const auto own = block.values.size() / static_cast<std::size_t>(block.dimension);
  result.coordinates = std::move(block.values);
  result.fingerprint = block.fingerprint;
  if (spec.weights.empty()) {
    parallel::agree(comm, [&] { result.values.assign(own, 1.0); });
    return result;
  }
  auto weights = output::read_points(comm, spec.file.string(), spec.weights, rows_of(spec));
  refuse_bad_weights(comm, spec, weights);
  result.values = std::move(weights.values);
  result.fingerprint = parallel::mix(result.fingerprint ^ weights.fingerprint);
  poll();
  return result;
}

Values values_of(const parallel::Communicator& comm, const MarginalSpec& spec,
                 const MarginalSize& size, const std::function<void()>& poll) {
  if (!size.grid) return point_values(comm, spec, poll);
  GridValues grid = grid_values(comm, spec, *size.grid, poll);
  return {std::move(grid.values), grid.fingerprint, {}};
}

// From values to mass, in place; returns the input's mass in its own units.
double make_mass(const parallel::Communicator& comm, const MarginalSpec& spec, bool normalise,
                 std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, value);
  largest = comm.max(largest);
  if (!(largest > 0)) {
    throw Error(
        ExitCode::input_data,
        fmt::format("{} has no mass: every {} is zero; give a measure with mass",
                    !spec.weights.empty() ? dataset_text(spec, spec.weights) : source_text(spec),
                    spec.kind == MarginalKind::grid ? "pixel" : "weight"));
  }
  for (double& value : values) {
    value = normalise ? value / largest + spec.floor : value + spec.floor * largest;
  }
  const double total = parallel::exact_total(comm, values);
  if (!std::isfinite(total)) {
    throw Error(ExitCode::input_data,
                fmt::format("{}: the total mass is beyond the range of numbers; use smaller units",
                            source_text(spec)));
  }
  if (!normalise) return total;
  for (double& value : values) value /= total;
  return total * largest;
}

// Places and numbers of the pixels or points that carry mass.
void keep_mass(const MarginalSize& size, const Values& input, std::int64_t first,
               Marginal& result) {
  const auto d = static_cast<std::size_t>(size.dimension);
  const auto kept = static_cast<std::size_t>(std::count_if(input.values.begin(), input.values.end(),
                                                           [](double mass) { return mass > 0; }));
  result.mass.reserve(kept);
  result.ids.reserve(kept);
  result.coordinates.reserve(kept * d);
  std::vector<double> centre(d);
  for (std::size_t i = 0; i < input.values.size(); ++i) {
    if (!(input.values[i] > 0)) continue;
    result.mass.push_back(input.values[i]);
    result.ids.push_back(static_cast<std::uint64_t>(first) + i);
    const double* place = size.grid ? centre.data() : &input.coordinates[i * d];
    if (size.grid) {
      std::int64_t rest = first + static_cast<std::int64_t>(i);
      for (std::size_t axis = d; axis-- > 0;) {
        const std::int64_t index = rest % size.grid->shape[axis];
        centre[axis] = (static_cast<double>(index) + 0.5) * size.grid->spacing[axis];
        rest /= size.grid->shape[axis];
      }
    }
    result.coordinates.insert(result.coordinates.end(), place, place + d);
  }
}

std::int64_t first_position(const parallel::Communicator& comm, const MarginalSize& size) {
  if (!size.grid) return parallel::Blocks{size.points, comm.size()}.begin(comm.rank());
  const std::int64_t rows = size.grid->shape[0];
  return parallel::Blocks{rows, comm.size()}.begin(comm.rank()) * (size.points / rows);
}

MarginalSize read_size(const parallel::Communicator& comm, const MarginalSpec& spec) {
  MarginalSize size;
  if (spec.kind == MarginalKind::points) {
    const auto info = output::inspect(comm, spec.file.string(), spec.dataset);
    size.points = output::count_points(info, rows_of(spec));
    size.dimension = info.shape.size() == 2 ? static_cast<int>(info.shape[1]) : 1;
    return size;
  }
  std::vector<std::int64_t> shape = spec.shape;
  if (spec.density.empty()) {
    shape = output::inspect(comm, spec.file.string(), spec.dataset).shape;
    if (shape.empty() || shape.size() > 3 || std::ranges::find(shape, 0) != shape.end()) {
      throw Error(ExitCode::input_data,
                  fmt::format("{} is not a grid of one to three axes with pixels on each: (w,), "
                              "(h, w) or (l, h, w)",
                              source_text(spec)));
    }
  }
  if (spec.resize) shape = resized_shape(shape, *spec.resize);
  size.points = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  size.dimension = static_cast<int>(shape.size());
  size.grid = pixel_grid(std::move(shape), spec.spacing);
  return size;
}

// The box of a grid with another number of pixels along its longer side.
MarginalSize resized(const MarginalSize& like, std::int64_t longest) {
  parallel::require(like.grid.has_value(), "only grids are resized");
  const auto before = static_cast<double>(*std::ranges::max_element(like.grid->shape));
  std::vector<std::int64_t> shape = resized_shape(like.grid->shape, longest);
  const double h = like.grid->spacing[0] * before / static_cast<double>(longest);
  MarginalSize size{1, like.dimension, std::nullopt};
  for (const std::int64_t n : shape) size.points *= n;
  size.grid = pixel_grid(std::move(shape), h);
  return size;
}

}  // namespace

MarginalSize size_of(const parallel::Communicator& comm, const MarginalSpec& spec) {
  return at_place(spec, [&] { return read_size(comm, spec); });
}

std::vector<MarginalSize> sizes_of(const parallel::Communicator& comm, const Problem& problem) {
  std::vector<MarginalSize> sizes(problem.marginals.size());
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    if (!problem.marginals[k].free) sizes[k] = size_of(comm, problem.marginals[k]);
  }
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const MarginalSpec& spec = problem.marginals[k];
    if (!spec.free) continue;
    for (std::size_t l = 0; l < sizes.size(); ++l) {
      if (problem.marginals[l].name == spec.like) sizes[k] = sizes[l];
    }
    if (spec.resize) sizes[k] = resized(sizes[k], *spec.resize);
    if (spec.support) {
      sizes[k].points = *spec.support;
      sizes[k].grid.reset();
    }
  }
  return sizes;
}

namespace {

// The map starts at the first marginal.
void check_closing(const Problem& problem, int dimension) {
  if (!problem.closing || problem.closing->formulas.empty()) return;
  const auto complaints =
      closing_complaints(problem.closing->formulas, problem.marginals[0].name, dimension);
  if (complaints.empty()) return;
  const ClosingComplaint& first = complaints[0];
  const std::size_t place = first.formula ? *first.formula + 1 : 0;
  const auto& places = problem.closing->places;
  throw Error(
      ExitCode::input_data,
      (place < places.size() ? places[place] : std::string("graph.closing")) + ": " + first.text);
}

}  // namespace

void check_sizes(const Problem& problem, std::span<const MarginalSize> sizes) {
  const auto& marginals = problem.marginals;
  parallel::require(sizes.size() == marginals.size(), "one size for each marginal");
  const bool geometric = problem.cost.kind != CostKind::matrix;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const int d = sizes[i].dimension;
    const std::string& name = marginals[i].name;
    const auto fail = [&](const std::string& text) {
      const MarginalSpec& spec = marginals[i];
      const bool given = !spec.file.empty() || !spec.density.empty();
      throw Error(ExitCode::input_data, (given ? source_text(spec) + ": " : "") + text);
    };
    if (geometric && d != sizes[0].dimension) {
      fail(
          fmt::format("'{}' has dimension {} and '{}' has dimension {}; transport needs both "
                      "measures in one space",
                      marginals[0].name, sizes[0].dimension, name, d));
    }
    if (problem.cost.kind == CostKind::periodic && std::ssize(problem.cost.period) != d) {
      fail(fmt::format("'{}' has dimension {} and cost.period has {} number(s); give one per axis",
                       name, d, problem.cost.period.size()));
    }
    const bool on_line = problem.method == Method::line || problem.method == Method::circle;
    if (on_line && d > 1) {
      fail(fmt::format("method {} is for one dimension and '{}' has {}; use auto, or sliced",
                       name_of(problem.method), name, d));
    }
    if (problem.method == Method::sliced && d == 1) {
      fail(fmt::format("'{}' has one dimension, where there is nothing to slice; use method: line",
                       name));
    }
  }
  check_closing(problem, sizes[0].dimension);
}

std::int64_t loading_bytes(const MarginalSize& size, int ranks) {
  // Values (and places of a cloud) as read, then coordinates, mass and ids of what is kept.
  const std::int64_t coordinates = (size.grid ? 1 : 2) * std::int64_t{size.dimension};
  const std::int64_t per_point = 8 * (coordinates + 3);
  // Grids are shared by rows.
  const std::int64_t rows = size.grid ? size.grid->shape[0] : size.points;
  const std::int64_t most = rows / ranks + (rows % ranks != 0 ? 1 : 0);
  return most * (size.points / rows) * per_point;
}

Marginal load_marginal(const parallel::Communicator& comm, const MarginalSpec& spec, bool normalise,
                       const std::function<void()>& poll) {
  const MarginalSize size = size_of(comm, spec);
  output::check_memory(comm, loading_bytes(size, comm.size()),
                       fmt::format("the {} points of '{}'", size.points, spec.name));
  Values input = at_place(spec, [&] { return values_of(comm, spec, size, poll); });
  Marginal result;
  result.name = spec.name;
  result.source = source_text(spec);
  result.dimension = size.dimension;
  result.input_total = size.points;
  result.grid = size.grid;
  result.fingerprint = input.fingerprint;
  result.input_mass = make_mass(comm, spec, normalise, input.values);
  parallel::agree(comm, [&] { keep_mass(size, input, first_position(comm, size), result); });
  result.total = comm.sum(static_cast<std::int64_t>(result.mass.size()));
  result.total_mass = parallel::exact_total(comm, result.mass);
  poll();
  return result;
}

Marginal free_marginal(const parallel::Communicator& comm, const std::string& name,
                       const Marginal& like, std::optional<std::int64_t> longest) {
  MarginalSize size{like.input_total, like.dimension, like.grid};
  if (longest) size = resized(size, *longest);
  Marginal result;
  result.name = name;
  result.dimension = like.dimension;
  result.grid = size.grid;
  result.input_total = size.points;
  result.total = size.grid ? size.points : like.total;
  result.total_mass = like.total_mass;
  result.input_mass = like.total_mass;
  if (!like.grid) {
    result.coordinates = like.coordinates;
    result.ids = like.ids;
  } else {
    const std::int64_t first = first_position(comm, size);
    const std::int64_t row = size.points / size.grid->shape[0];
    const std::int64_t rows = parallel::Blocks{size.grid->shape[0], comm.size()}.size(comm.rank());
    Values all;
    all.values.assign(static_cast<std::size_t>(rows * row), 1.0);
    keep_mass(size, all, first, result);
  }
  result.mass.assign(result.ids.size(), like.total_mass / static_cast<double>(result.total));
  return result;
}

Marginal head_of(const Marginal& marginal) {
  Marginal head;
  head.name = marginal.name;
  head.dimension = marginal.dimension;
  head.total = marginal.total;
  head.input_total = marginal.input_total;
  head.grid = marginal.grid;
  head.total_mass = marginal.total_mass;
  head.input_mass = marginal.input_mass;
  return head;
}

void check_pair(const Marginal& a, const Marginal& b, Relaxation relaxation, double partial_mass) {
  const double larger = std::max(a.total_mass, b.total_mass);
  if (relaxation == Relaxation::none &&
      !(std::abs(a.total_mass - b.total_mass) <= mass_tolerance * larger)) {
    throw Error(ExitCode::input_data,
                fmt::format("{}{}'{}' has mass {} and '{}' has mass {}; a balanced problem needs "
                            "equal masses: set normalise: true, or say what to do with the rest by "
                            "unbalanced or partial",
                            b.source, b.source.empty() ? "" : ": ", a.name, a.total_mass, b.name,
                            b.total_mass));
  }
  const Marginal& smaller = a.total_mass < b.total_mass ? a : b;
  // Masses of normalised marginals are one to rounding.
  if (relaxation == Relaxation::partial &&
      partial_mass > smaller.total_mass * (1 + mass_tolerance)) {
    throw Error(ExitCode::input_data,
                fmt::format("partial.mass is {} and '{}' has mass {} only; ask for less",
                            partial_mass, smaller.name, smaller.total_mass));
  }
}

}  // namespace mensura::transport
