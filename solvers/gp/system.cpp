// SPDX-License-Identifier: BSD-3-Clause
#include "gp/system.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/collocation.hpp"
#include "gp/dense_conditioner.hpp"
#include "gp/equation_rows.hpp"
#include "gp/field.hpp"
#include "gp/prediction.hpp"
#include "gp/sparse_conditioner.hpp"
#include "gp/updated_conditioner.hpp"
#include "output/dataset_reader.hpp"
#include "output/memory.hpp"
#include "run/timers.hpp"

namespace mensura::gp {

namespace {

// The functional that an entry of data measures.
Functional functional_of(const DataSpec& data) {
  FieldFunctional f;
  if (data.functional == Measured::value) f.value = 1;
  if (data.functional == Measured::laplacian) f.laplacian = 1;
  if (data.functional == Measured::derivative) {
    double length = 0;
    for (const double component : data.direction) length = std::hypot(length, component);
    for (std::size_t a = 0; a < data.direction.size(); ++a) {
      f.gradient[a] = data.direction[a] / length;
    }
  }
  if (data.of_second) return {.second = f};
  return {.value = f.value, .laplacian = f.laplacian, .gradient = f.gradient};
}

// Which weights the data have, of u and of the second unknown.
std::array<FunctionalKinds, 2> kinds_of(const std::vector<DataSpec>& data) {
  std::array<FunctionalKinds, 2> kinds;
  for (const DataSpec& entry : data) {
    FunctionalKinds& of = kinds[entry.of_second ? 1 : 0];
    of.laplacian = of.laplacian || entry.functional == Measured::laplacian;
    of.gradient = of.gradient || entry.functional == Measured::derivative;
  }
  return kinds;
}

// Axes are made comparable by powers of two, which change no bit of a coordinate's mantissa.
std::vector<double> axis_scale_of(const Problem& problem, int dimension) {
  const auto lengths = axis_lengths(problem.priors(), dimension);
  const double shortest = *std::min_element(lengths.begin(), lengths.end());
  std::vector<double> scale;
  for (const double length : lengths) {
    scale.push_back(std::ldexp(1.0, static_cast<int>(std::lround(std::log2(shortest / length)))));
  }
  return scale;
}

}  // namespace

System::System(const Problem& problem, const parallel::Communicator& comm)
    : problem_(problem), comm_(comm) {}

void System::advance(run::Context& context) {
  switch (step_) {
    case 0:
      order(context);
      break;
    case 1:
      find_pattern(context);
      break;
    case 2:
      prepare_equation(context);
      break;
    default:
      factor(context);
  }
  ++step_;
}

void System::order(run::Context& context) {
  const CollocationSize size = collocation_size(comm_, problem_);
  dimension_ = size.dimension;
  data_counts_ = size.data_counts;
  const Footprint need = footprint(problem_, size, comm_.size());
  output::check_memory(
      comm_, need.bytes_per_rank,
      fmt::format("{} points with about {:.0f} nonzeros per row{}",
                  size.counts[0] + size.counts[1] + size.counts[2], need.nonzeros_per_row,
                  problem_.posterior
                      ? fmt::format(", {} samples at {} prediction points (posterior.samples, "
                                    "write_samples: false keeps none)",
                                    problem_.posterior->samples, size.targets)
                      : ""));
  PointSet points;
  {
    const auto phase = context.timers.phase("points");
    if (!problem_.averages.empty()) {
      averages_ = std::make_shared<Averages>(comm_, problem_, dimension_);
    }
    points = make_points(comm_, problem_, context.poll);
  }
  counts_ = points.counts;
  context.log(fmt::format("{} points: {} on the boundary, {} inside{}", this->points(), counts_[0],
                          counts_[1],
                          counts_[2] > 0 ? fmt::format(", {} with data", counts_[2]) : ""));
  axis_scale_ = axis_scale_of(problem_, dimension_);
  const auto d = static_cast<std::size_t>(dimension_);
  for (std::size_t i = 0; i < points.coordinates.size(); ++i) {
    points.coordinates[i] *= axis_scale_[i % d];
  }
  PointSet description;  // what names need; the points themselves move on
  description.dimension = points.dimension;
  description.counts = points.counts;
  description.data_counts = points.data_counts;
  const auto phase = context.timers.phase("ordering");
  ordered_ = maximin_order(
      comm_, std::move(points), problem_.factor.neighbours,
      [&](std::uint64_t id) { return name_of_point(problem_, description, id); }, context.poll);
  put_data_last(ordered_, data_reach(problem_, size));
  rounds_ = ordered_.rounds;
  context.log(fmt::format("maximin order with {} neighbours in {} rounds",
                          problem_.factor.neighbours, rounds_));
}

std::int64_t System::measurements() const noexcept {
  return points() + (averages_ ? static_cast<std::int64_t>(averages_->count()) : 0);
}

bool System::order_is_stale() const {
  return axis_scale_of(problem_, dimension_) != axis_scale_;
}

void System::start_over() {
  conditioner_.reset();
  equation_.reset();
  pattern_.reset();
  step_ = 0;
}

void System::find_pattern(run::Context& context) {
  const auto phase = context.timers.phase("pattern");
  PatternOptions options;
  options.radius = problem_.factor.radius;
  pattern_ =
      std::make_unique<Pattern>(make_pattern(comm_, std::move(ordered_), options, context.poll));
  ordered_ = OrderedPoints{};
  const auto d = static_cast<std::size_t>(dimension_);
  for (std::size_t i = 0; i < pattern_->coordinates.size(); ++i) {
    pattern_->coordinates[i] /= axis_scale_[i % d];
  }
}

void System::prepare_equation(run::Context& context) {
  const auto phase = context.timers.phase("equation");
  equation_ = make_equation(problem_.equation, dimension_);
  const auto d = static_cast<std::size_t>(dimension_);
  EquationPoints interior;
  interior.dimension = dimension_;
  interior.total = counts_[1];
  for (std::size_t p = 0; p < pattern_->ids.size(); ++p) {
    if (pattern_->kind(p) != PointKind::interior) continue;
    interior.rows.push_back(pattern_->ids[p] - static_cast<std::uint64_t>(counts_[0]));
    const double* x = &pattern_->coordinates[p * d];
    interior.coordinates.insert(interior.coordinates.end(), x, x + d);
    if (static_cast<std::int64_t>(p) < pattern_->own) ++interior.own;
  }
  equation_->prepare(comm_, interior);
  layout_ = make_layout(comm_, *pattern_, {1, equation_->state_rows(), 1});
  weights_ = equation_rows(
      *pattern_, layout_, *equation_, [&](std::uint64_t id) { return measured_functional(id); },
      kinds_of(problem_.data));
  take_fingerprint();
}

// What a boundary or data point measures.
Functional System::measured_functional(std::uint64_t id) const {
  std::int64_t row = static_cast<std::int64_t>(id) - counts_[0] - counts_[1];
  for (std::size_t i = 0; i < data_counts_.size() && row >= 0; ++i) {
    if (row < data_counts_[i]) return functional_of(problem_.data[i]);
    row -= data_counts_[i];
  }
  return value_of_u();
}

void System::take_fingerprint() {
  std::vector<double> values, noise, row;
  measured(0, values, noise);
  const auto d = static_cast<std::size_t>(dimension_);
  const auto states = static_cast<std::size_t>(equation_->state_rows());
  std::vector<double> state(states), weights(states);
  std::uint64_t sum = 0;
  std::size_t interior = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_->own); ++p) {
    row.assign(&pattern_->coordinates[p * d], &pattern_->coordinates[p * d] + d);
    row.push_back(values[p]);
    if (!noise.empty()) row.push_back(noise[p]);
    if (pattern_->kind(p) == PointKind::interior) {
      for (int r = 0; r < equation_->state_rows(); ++r) {
        const Functional f = equation_->functional(interior, r);
        row.push_back(f.laplacian);
        row.insert(row.end(), f.gradient.begin(), f.gradient.end());
      }
      // What the equation says at its start: source and reaction.
      equation_->initial_state(interior, state);
      if (!problem_.time) row.push_back(equation_->linearise(interior, state, weights));
      row.insert(row.end(), state.begin(), state.end());
      ++interior;
    } else if (pattern_->kind(p) == PointKind::data) {
      const Functional f = measured_functional(pattern_->ids[p]);
      row.push_back(f.laplacian);
      row.insert(row.end(), f.gradient.begin(), f.gradient.end());
      row.push_back(f.second.value);
      row.push_back(f.second.laplacian);
      row.insert(row.end(), f.second.gradient.begin(), f.second.gradient.end());
    }
    sum += output::row_hash(static_cast<std::int64_t>(pattern_->ids[p]), row.data(),
                            static_cast<std::int64_t>(row.size()));
  }
  if (averages_) sum += averages_->fingerprint();
  // The sum is taken in two halves, so that no reduction overflows.
  std::array<std::int64_t, 2> halves{static_cast<std::int64_t>(sum & 0xffffffffU),
                                     static_cast<std::int64_t>(sum >> 32U)};
  comm_.sum(halves);
  fingerprint_ =
      static_cast<std::uint64_t>(halves[0]) + (static_cast<std::uint64_t>(halves[1]) << 32U);
}

std::vector<double> System::initial_state() const {
  std::vector<double> state(static_cast<std::size_t>(layout_.own), 0.0);
  std::size_t interior = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_->own); ++p) {
    if (pattern_->kind(p) != PointKind::interior) continue;
    const auto first = static_cast<std::size_t>(layout_.first[p]);
    const auto rows = static_cast<std::size_t>(layout_.rows_of(p));
    equation_->initial_state(interior++, std::span(state).subspan(first, rows));
  }
  return state;
}

void System::measured(double time, std::vector<double>& values, std::vector<double>& noise) const {
  const auto d = static_cast<std::size_t>(dimension_);
  const auto own = static_cast<std::size_t>(pattern_->own);
  values.assign(own, 0.0);
  noise.clear();
  // Points [first, first + count) of the ids take their values from one field.
  const auto fill = [&](std::int64_t first, std::int64_t count, const auto& field) {
    std::vector<std::size_t> chosen;
    std::vector<std::uint64_t> rows;
    std::vector<double> coordinates;
    for (std::size_t p = 0; p < own; ++p) {
      const auto row = static_cast<std::int64_t>(pattern_->ids[p]) - first;
      if (row < 0 || row >= count) continue;
      chosen.push_back(p);
      rows.push_back(static_cast<std::uint64_t>(row));
      const double* x = &pattern_->coordinates[p * d];
      coordinates.insert(coordinates.end(), x, x + d);
    }
    const std::vector<double> found =
        field(FieldPoints{dimension_, coordinates, rows, count, time});
    for (std::size_t i = 0; i < chosen.size(); ++i) values[chosen[i]] = found[i];
    return chosen;
  };
  fill(0, counts_[0], [&](const FieldPoints& at) {
    if (!problem_.equation.manufactured) return evaluate(comm_, problem_.equation.boundary, at);
    std::vector<double> u(at.rows.size());
    sine_series(*problem_.equation.manufactured, dimension_, at.coordinates, u, {}, {});
    return u;
  });
  std::int64_t first = counts_[0] + counts_[1];
  for (std::size_t i = 0; i < problem_.data.size(); ++i) {
    const DataSpec& data = problem_.data[i];
    FieldSpec field;
    field.file = data.values;
    field.where = data.where;
    const auto chosen = fill(first, data_counts_[i],
                             [&](const FieldPoints& at) { return evaluate(comm_, field, at); });
    noise.resize(own, 0.0);
    const double variance = data.noise * data.noise / problem_.variance.value_or(1);
    for (const std::size_t p : chosen) noise[p] = variance;
    first += data_counts_[i];
  }
}

void System::factor(run::Context& context) {
  make_conditioner(context);
  if (problem_.factor.method == FactorMethod::dense) return;
  if (problem_.solve.warm_start && !conditioner_->adapts()) {
    context.warn(
        "options replace the convergence test of the conjugate gradients, so that no linear "
        "solve stops early");
  }
  context.log(fmt::format("factor of {} rows, {:.1f} nonzeros per row", layout_.total,
                          conditioner_->nonzeros_per_row()));
}

void System::make_conditioner(run::Context& context) {
  const auto phase = context.timers.phase("factor");
  conditioner_.reset();  // the new one takes its place in memory
  if (problem_.factor.method == FactorMethod::dense) {
    conditioner_ = std::make_unique<DenseConditioner>(comm_, *pattern_, layout_, weights_,
                                                      problem_.priors(), problem_.factor.nugget);
    take_averages(context);
    return;
  }
  conditioner_ =
      std::make_unique<SparseConditioner>(comm_, *pattern_, layout_, weights_, problem_.priors(),
                                          problem_.factor, problem_.solve, context.poll);
  take_averages(context);
}

// Collective. Conditions on the averages of the deck, if any, beside the rest.
void System::take_averages(run::Context& context) {
  if (!averages_) return;
  averages_->interpolate(state_rows(), problem_.variance.value_or(1), context.poll);
  context.log(fmt::format("{} averages", averages_->count()));
  const Prior prior = problem_.priors();
  double variance = prior_variance(prior.first);
  if (prior.second) variance = std::max(variance, prior_variance(*prior.second));
  conditioner_ =
      std::make_unique<UpdatedConditioner>(comm_, layout_, std::move(conditioner_), averages_,
                                           problem_.solve.tolerance, std::sqrt(variance));
}

void System::record(output::Value& root) const {
  output::Value entry;
  entry["boundary"] = counts_[0];
  entry["interior"] = counts_[1];
  entry["data"] = counts_[2];
  entry["dimension"] = dimension_;
  entry["prior"] = describe(problem_.prior);
  entry["ordering_rounds"] = rounds_;
  root["points"] = std::move(entry);
  if (problem_.equation.inverse) {
    output::Value inverse;
    inverse["unknown"] = problem_.equation.inverse->name;
    inverse["prior"] = describe(problem_.equation.inverse->prior);
    root["inverse"] = std::move(inverse);
  }
  if (conditioner_) {
    output::Value factor;
    conditioner_->record(factor);
    root["factor"] = std::move(factor);
  }
}

}  // namespace mensura::gp
