// SPDX-License-Identifier: BSD-3-Clause
#include "gp/answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

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

void mean_at_points(const parallel::Communicator& comm, const Problem& problem, System& system,
                    std::span<const double> state, Answer& answer,
                    const std::function<void()>& poll) {
  const auto inside = inside_points(problem, answer);
  const std::vector<double> rows = chosen_rows(answer, inside);
  std::vector<double> mean;
  // A dense reference knows u anywhere, but not what averages told.
  if (problem.factor.method == FactorMethod::dense && problem.averages.empty()) {
    mean = system.conditioner().mean_at(rows);
  } else {
    mean = local_mean(comm, system.state_rows(), state, rows, poll);
  }
  answer.mean.assign(answer.points.size() / static_cast<std::size_t>(answer.dimension), unknown);
  for (std::size_t i = 0; i < inside.size(); ++i) answer.mean[inside[i]] = mean[i];
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

void mean_at_collocation_points(const parallel::Communicator& comm, const System& system,
                                std::span<const double> state, Answer& answer) {
  const Pattern& pattern = system.pattern();
  const std::vector<std::uint64_t> ids(pattern.ids.begin(), pattern.ids.begin() + pattern.own);
  std::vector<double> u(ids.size());
  for (std::size_t p = 0; p < u.size(); ++p) {
    u[p] = state[static_cast<std::size_t>(system.layout().first[p])];
  }
  answer.mean = parallel::to_blocks(comm, u, 1, ids, answer.total);
}

// The points where the deck wants u.
Answer wanted_points(const parallel::Communicator& comm, const Problem& problem,
                     const System& system) {
  Answer answer;
  answer.dimension = system.dimension();
  if (!problem.predict.grid.empty()) {
    grid_points(comm, problem, answer);
  } else if (problem.predict.points) {
    file_points(comm, problem, answer);
  } else {
    collocation_points(comm, system, answer);
  }
  return answer;
}

// Exact values at the points inside the domain; nothing where none are known.
std::optional<std::vector<double>> exact_values(const parallel::Communicator& comm,
                                                const Problem& problem, double time,
                                                const Answer& answer,
                                                const std::vector<std::size_t>& inside) {
  const EquationSpec& equation = problem.equation;
  const std::vector<double> rows = chosen_rows(answer, inside);
  std::vector<double> exact(inside.size());
  if (equation.manufactured) {
    sine_series(*equation.manufactured, answer.dimension, rows, exact, {}, {});
  } else if (equation.cole_hopf) {
    std::transform(rows.begin(), rows.end(), exact.begin(),
                   [&](double x) { return cole_hopf(x, time, equation.viscosity); });
  } else if (equation.exact.present()) {
    std::vector<std::uint64_t> ids;  // a dataset has one number per prediction point
    for (const std::size_t i : inside) ids.push_back(static_cast<std::uint64_t>(answer.first) + i);
    exact = evaluate(comm, equation.exact, {answer.dimension, rows, ids, answer.total, time});
  } else {
    return std::nullopt;
  }
  return exact;
}

void compare_with_exact(const parallel::Communicator& comm, const Problem& problem, double time,
                        Answer& answer) {
  const auto inside = inside_points(problem, answer);
  const auto found = exact_values(comm, problem, time, answer, inside);
  if (!found) return;
  const std::vector<double>& exact = *found;
  answer.error_known = true;
  answer.exact.assign(answer.mean.size(), unknown);
  parallel::ExactSum squares;
  double largest = 0;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    answer.exact[inside[i]] = exact[i];
    const double error = answer.mean[inside[i]] - exact[i];
    squares.add(error * error);
    largest = std::max(largest, std::abs(error));
  }
  parallel::reduce(comm, std::span(&squares, 1));
  const std::int64_t count = comm.sum(static_cast<std::int64_t>(inside.size()));
  answer.error_l2 = std::sqrt(squares.value() / static_cast<double>(count));
  answer.error_linf = comm.max(largest);
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
              std::span<const double> state, double time, const std::function<void()>& poll) {
  Answer answer = wanted_points(comm, problem, system);
  const bool all_u = std::ranges::all_of(
      problem.data, [](const DataSpec& data) { return data.functional == Measured::value; });
  if (!problem.predict.grid.empty() || problem.predict.points || !all_u) {
    mean_at_points(comm, problem, system, state, answer, poll);
  } else {
    mean_at_collocation_points(comm, system, state, answer);
  }
  compare_with_exact(comm, problem, time, answer);
  return answer;
}

void check_wanted(const parallel::Communicator& comm, const Problem& problem, const System& system,
                  double time) {
  const Answer wanted = wanted_points(comm, problem, system);
  exact_values(comm, problem, time, wanted, inside_points(problem, wanted));
}

void find_coverage(const parallel::Communicator& comm, Answer& answer) {
  constexpr double two_sided = 1.959963984540054;  // normal quantile of 0.975
  std::array<parallel::ExactSum, 3> sums;          // points, variance, points inside the interval
  for (std::size_t i = 0; i < answer.variance.size(); ++i) {
    if (std::isnan(answer.variance[i])) continue;
    sums[0].add(1);
    sums[1].add(answer.variance[i]);
    if (!answer.error_known) continue;
    const double error = std::abs(answer.mean[i] - answer.exact[i]);
    if (error <= two_sided * std::sqrt(answer.variance[i])) sums[2].add(1);
  }
  parallel::reduce(comm, sums);
  answer.mean_variance = sums[1].value() / sums[0].value();
  answer.coverage = sums[2].value() / sums[0].value();
}

void write_answer(output::File& file, const Answer& answer) {
  const std::int64_t d = answer.dimension;
  file.group("/predict");
  file.distributed("/predict/points", answer.points, {{answer.total, d}, answer.first * d},
                   {"1", "where the mean is given"});
  file.distributed("/predict/mean", answer.mean, {{answer.total}, answer.first},
                   {"1", "posterior mean of u; NaN outside the domain"});
  if (answer.error_known) {
    file.distributed("/predict/exact", answer.exact, {{answer.total}, answer.first},
                     {"1", "exact solution of the deck"});
  }
  if (!answer.variance.empty()) {
    file.distributed("/predict/variance", answer.variance, {{answer.total}, answer.first},
                     {"1", "posterior variance of u; NaN outside the domain"});
  }
  if (answer.samples.empty()) return;
  const std::size_t count = answer.samples.size();
  std::vector<double> by_point(answer.mean.size() * count);
  for (std::size_t i = 0; i < answer.mean.size(); ++i) {
    for (std::size_t s = 0; s < count; ++s) by_point[i * count + s] = answer.samples[s][i];
  }
  const auto samples = static_cast<std::int64_t>(count);
  file.distributed("/predict/samples", by_point, {{answer.total, samples}, answer.first * samples},
                   {"1", "samples of the posterior, one per column"});
}

void write_fields(const parallel::Communicator& comm, const std::string& folder,
                  const output::Provenance& provenance, const Answer& answer) {
  const auto place = [&](output::FieldWriter& writer) {
    if (answer.grid) {
      writer.grid(*answer.grid, answer.first);
    } else {
      writer.points(answer.points, answer.dimension, answer.first, answer.total);
    }
  };
  output::FieldWriter writer(comm, folder, "mean", provenance);
  place(writer);
  writer.field("mean", answer.mean, 1, {"1", "posterior mean of u"});
  if (answer.error_known) {
    writer.field("exact", answer.exact, 1, {"1", "exact solution of the deck"});
    std::vector<double> error(answer.mean);
    for (std::size_t i = 0; i < error.size(); ++i) error[i] -= answer.exact[i];
    writer.field("error", error, 1, {"1", "mean minus exact"});
  }
  if (!answer.variance.empty()) {
    std::vector<double> deviation;
    for (const double variance : answer.variance) deviation.push_back(std::sqrt(variance));
    writer.field("deviation", deviation, 1, {"1", "posterior standard deviation of u"});
  }
  writer.finish();
  if (answer.samples.empty()) return;
  output::FieldWriter samples(comm, folder, "samples", provenance);
  place(samples);
  for (std::size_t s = 0; s < answer.samples.size(); ++s) {
    samples.field(fmt::format("sample_{}", s), answer.samples[s], 1,
                  {"1", "sample of the posterior of u"});
  }
  samples.finish();
}

}  // namespace mensura::gp
