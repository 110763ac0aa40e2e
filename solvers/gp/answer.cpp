// SPDX-License-Identifier: BSD-3-Clause
#include "gp/answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gp/equation_rows.hpp"
#include "gp/field.hpp"
#include "gp/mean.hpp"
#include "output/dataset_reader.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::gp {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

void grid_points(const parallel::Communicator& comm, const Problem& problem, Answer& answer) {
  const auto d = static_cast<std::size_t>(answer.dimension);
  const auto box = bounding_box(*problem.domain);
  auto shape = problem.predict.grid;
  if (shape.size() == 1) shape.assign(d, shape[0]);
  answer.total = 1;
  for (const std::int64_t n : shape) answer.total *= n;
  const parallel::Blocks blocks{answer.total, comm.size()};
  answer.first = blocks.begin(comm.rank());
  for (std::int64_t i = answer.first; i < answer.first + blocks.size(comm.rank()); ++i) {
    std::int64_t rest = i;
    for (std::size_t a = 0; a < d; ++a) {
      const std::int64_t last = shape[a] - 1, index = rest % shape[a];
      rest /= shape[a];
      const double lower = box[a], upper = box[d + a];
      answer.points.push_back(
          index == last && last > 0
              ? upper
              : lower +
                    static_cast<double>(index) *
                        ((upper - lower) / static_cast<double>(std::max<std::int64_t>(last, 1))));
    }
  }
  output::RegularGrid grid;
  for (std::size_t a = d; a-- > 0;) {
    grid.shape.push_back(shape[a]);
    grid.origin.push_back(box[a]);
    grid.spacing.push_back((box[d + a] - box[a]) /
                           static_cast<double>(std::max<std::int64_t>(shape[a] - 1, 1)));
  }
  answer.grid = std::move(grid);
}

void file_points(const parallel::Communicator& comm, const Problem& problem, Answer& answer) {
  const input::FileSource& source = *problem.predict.points;
  auto block = output::read_points(comm, source.file.string(), source.dataset,
                                   {source.rows.start, source.rows.stop, source.rows.step});
  if (block.dimension != answer.dimension) {
    throw parallel::Error(
        parallel::ExitCode::input_data,
        fmt::format("{}:{} holds points of dimension {}; the problem has dimension {}",
                    source.file.string(), source.dataset, block.dimension, answer.dimension));
  }
  answer.total = block.total;
  answer.first = block.first;
  answer.points = std::move(block.values);
  if (!problem.domain) return;
  const auto d = static_cast<std::size_t>(answer.dimension);
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t outside = 0;
  for (std::size_t i = 0; i < answer.points.size() / d; ++i) {
    if (place_of(*problem.domain, &answer.points[i * d]) != Place::outside) continue;
    ++outside;
    first = std::min(first, answer.first + static_cast<std::int64_t>(i));
  }
  first = comm.min(first);
  outside = comm.sum(outside);
  if (outside > 0) {
    throw parallel::Error(
        parallel::ExitCode::input_data,
        fmt::format("{}:{} has {} prediction point(s) outside the {}, the first in row {}; remove "
                    "them or correct the domain",
                    source.file.string(), source.dataset, outside, describe(*problem.domain),
                    source.rows.start + first * source.rows.step));
  }
}

// The mean of a field at the collocation points, in the order of their ids, where the state has it
// at all of them; otherwise nothing.
std::optional<std::vector<double>> mean_in_state(const parallel::Communicator& comm,
                                                 const System& system,
                                                 std::span<const double> state,
                                                 const PredictedField& field) {
  const Pattern& pattern = system.pattern();
  const RowLayout& layout = system.layout();
  std::vector<double> values;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    for (auto r = static_cast<std::size_t>(layout.first[p]);
         r < static_cast<std::size_t>(layout.first[p + 1]); ++r) {
      if (!is_row(system.weights(), r, field.functional)) continue;
      values.push_back(state[r]);
      break;
    }
  }
  const auto found = static_cast<std::int64_t>(values.size());
  if (comm.sum(found) < system.points()) return std::nullopt;
  const std::vector<std::uint64_t> ids(pattern.ids.begin(), pattern.ids.begin() + pattern.own);
  return parallel::to_blocks(comm, values, 1, ids, system.points());
}

// The mean of a field at the chosen points, given row-major.
std::vector<double> mean_at(const parallel::Communicator& comm, const Problem& problem,
                            System& system, std::span<const double> state,
                            const PredictedField& field, std::span<const double> rows,
                            const PointMean& sums, const std::function<void()>& poll) {
  if (problem.predict.grid.empty() && !problem.predict.points) {
    if (auto mean = mean_in_state(comm, system, state, field)) return *mean;
  }
  if (sums) return sums(rows, field.functional);
  // A dense reference knows u anywhere, but not what averages told.
  if (problem.factor.method == FactorMethod::dense && problem.averages.empty()) {
    return system.conditioner().mean_at(rows, field.functional);
  }
  return local_mean(comm, system.state_rows(), state, rows, field.functional, poll);
}

void collocation_points(const parallel::Communicator& comm, const System& system, Answer& answer) {
  const Pattern& pattern = system.pattern();
  const auto own = static_cast<std::size_t>(pattern.own);
  const auto d = static_cast<std::size_t>(answer.dimension);
  const std::vector<std::uint64_t> ids(pattern.ids.begin(), pattern.ids.begin() + pattern.own);
  answer.total = system.points();
  answer.first = parallel::Blocks{answer.total, comm.size()}.begin(comm.rank());
  answer.points = parallel::to_blocks(comm, std::span(pattern.coordinates).first(own * d),
                                      answer.dimension, ids, answer.total);
}

// The unknown fields, and the points where the deck wants them.
Answer wanted_points(const parallel::Communicator& comm, const Problem& problem,
                     const System& system) {
  Answer answer;
  answer.dimension = system.dimension();
  answer.fields.push_back({.name = "u", .functional = value_of_u()});
  if (problem.equation.inverse) {
    answer.fields.push_back(
        {.name = problem.equation.inverse->name, .functional = value_of_second()});
  }
  if (!problem.predict.grid.empty()) {
    grid_points(comm, problem, answer);
  } else if (problem.predict.points) {
    file_points(comm, problem, answer);
  } else {
    collocation_points(comm, system, answer);
  }
  return answer;
}

// Exact values of one of the fields at the points inside the domain; nothing where none are known.
std::optional<std::vector<double>> exact_values(const parallel::Communicator& comm,
                                                const Problem& problem, double time,
                                                const Answer& answer,
                                                const std::vector<std::size_t>& inside,
                                                std::size_t field) {
  const EquationSpec& equation = problem.equation;
  const FieldSpec& given = field == 0 ? equation.exact : equation.inverse->exact;
  const std::vector<double> rows = chosen_rows(answer, inside);
  std::vector<double> exact(inside.size());
  if (field == 0 && equation.manufactured) {
    sine_series(*equation.manufactured, answer.dimension, rows, exact, {}, {});
  } else if (field == 0 && equation.cole_hopf) {
    std::transform(rows.begin(), rows.end(), exact.begin(),
                   [&](double x) { return cole_hopf(x, time, equation.viscosity); });
  } else if (given.present()) {
    std::vector<std::uint64_t> ids;  // a dataset has one number per prediction point
    for (const std::size_t i : inside) ids.push_back(static_cast<std::uint64_t>(answer.first) + i);
    exact = evaluate(comm, given, {answer.dimension, rows, ids, answer.total, time});
  } else {
    return std::nullopt;
  }
  return exact;
}

void compare_with_exact(const parallel::Communicator& comm, const std::vector<std::size_t>& inside,
                        const std::vector<double>& exact, PredictedField& field) {
  field.error_known = true;
  field.exact.assign(field.mean.size(), unknown);
  parallel::ExactSum squares;
  double largest = 0;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    field.exact[inside[i]] = exact[i];
    const double error = field.mean[inside[i]] - exact[i];
    squares.add(error * error);
    largest = std::max(largest, std::abs(error));
  }
  parallel::reduce(comm, std::span(&squares, 1));
  const std::int64_t count = comm.sum(static_cast<std::int64_t>(inside.size()));
  field.error_l2 = std::sqrt(squares.value() / static_cast<double>(count));
  field.error_linf = comm.max(largest);
}

}  // namespace

std::vector<std::size_t> inside_points(const Problem& problem, const Answer& answer) {
  const auto d = static_cast<std::size_t>(answer.dimension);
  std::vector<std::size_t> inside;
  for (std::size_t i = 0; i < answer.points.size() / d; ++i) {
    if (!answer.grid || place_of(*problem.domain, &answer.points[i * d]) != Place::outside) {
      inside.push_back(i);
    }
  }
  return inside;
}

std::vector<double> chosen_rows(const Answer& answer, const std::vector<std::size_t>& chosen) {
  const auto d = static_cast<std::size_t>(answer.dimension);
  std::vector<double> rows;
  for (const std::size_t i : chosen) {
    rows.insert(rows.end(), &answer.points[i * d], &answer.points[i * d] + d);
  }
  return rows;
}

Answer answer(const parallel::Communicator& comm, const Problem& problem, System& system,
              std::span<const double> state, double time, const std::function<void()>& poll,
              const PointMean& sums) {
  Answer answer = wanted_points(comm, problem, system);
  const auto inside = inside_points(problem, answer);
  const std::vector<double> rows = chosen_rows(answer, inside);
  for (std::size_t f = 0; f < answer.fields.size(); ++f) {
    PredictedField& field = answer.fields[f];
    const auto mean = mean_at(comm, problem, system, state, field, rows, sums, poll);
    field.mean.assign(answer.own(), unknown);
    for (std::size_t i = 0; i < inside.size(); ++i) field.mean[inside[i]] = mean[i];
    const auto exact = exact_values(comm, problem, time, answer, inside, f);
    if (exact) compare_with_exact(comm, inside, *exact, field);
  }
  return answer;
}

void check_wanted(const parallel::Communicator& comm, const Problem& problem, const System& system,
                  double time) {
  const Answer wanted = wanted_points(comm, problem, system);
  const auto inside = inside_points(problem, wanted);
  for (std::size_t f = 0; f < wanted.fields.size(); ++f) {
    exact_values(comm, problem, time, wanted, inside, f);
  }
}

void find_coverage(const parallel::Communicator& comm, PredictedField& field) {
  constexpr double two_sided = 1.959963984540054;  // normal quantile of 0.975
  std::array<parallel::ExactSum, 3> sums;          // points, variance, points inside the interval
  for (std::size_t i = 0; i < field.variance.size(); ++i) {
    if (std::isnan(field.variance[i])) continue;
    sums[0].add(1);
    sums[1].add(field.variance[i]);
    if (!field.error_known) continue;
    const double error = std::abs(field.mean[i] - field.exact[i]);
    if (error <= two_sided * std::sqrt(field.variance[i])) sums[2].add(1);
  }
  parallel::reduce(comm, sums);
  field.mean_variance = sums[1].value() / sums[0].value();
  field.coverage = sums[2].value() / sums[0].value();
}

}  // namespace mensura::gp
