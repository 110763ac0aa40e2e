// SPDX-License-Identifier: BSD-3-Clause
#include "gp/averages.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "gp/equation_rows.hpp"
#include "gp/field.hpp"
#include "gp/file_points.hpp"
#include "gp/interpolation.hpp"
#include "linear/lane_sums.hpp"
#include "output/dataset_reader.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::gp {

using linear::Eight;
using parallel::Error;
using parallel::ExitCode;

namespace {

constexpr std::size_t lanes = 8;
constexpr std::size_t nodes_at_once = 1 << 15;
constexpr std::size_t sums_at_once = 512;

// Collective. Sums over the ranks, the same bits on all.
void add_up(const parallel::Communicator& comm, std::span<double> values) {
  std::vector<parallel::ExactSum> sums;
  for (std::size_t begin = 0; begin < values.size(); begin += sums_at_once) {
    const std::span<double> piece =
        values.subspan(begin, std::min(sums_at_once, values.size() - begin));
    sums.assign(piece.size(), {});
    for (std::size_t i = 0; i < piece.size(); ++i) sums[i].add(piece[i]);
    parallel::reduce(comm, sums);
    for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = sums[i].value();
  }
}

MeanRule rule_of(const AverageSpec& entry, const Prior& prior, int dimension) {
  const auto lengths = axis_lengths(entry.of_second ? *prior.second : prior.first, dimension);
  if (entry.box.empty()) {
    return ball_mean(dimension, entry.radius, *std::ranges::min_element(lengths));
  }
  std::vector<double> widths = entry.box;
  if (widths.size() == 1) widths.resize(static_cast<std::size_t>(dimension), entry.box[0]);
  return box_mean(widths, lengths);
}

std::string words_of(const AverageSpec& entry) {
  return entry.box.empty() ? fmt::format("the ball of radius {}", entry.radius)
                           : fmt::format("the box of widths {}", fmt::join(entry.box, ", "));
}

}  // namespace

Averages::Averages(const parallel::Communicator& comm, const Problem& problem, int dimension)
    : comm_(comm), dimension_(dimension) {
  std::vector<std::int64_t> counts;
  std::int64_t total = 0;
  for (const AverageSpec& entry : problem.averages) {
    counts.push_back(file_size(comm, entry.centres).count);
    total += counts.back();
  }
  value_.assign(static_cast<std::size_t>(total), 0.0);
  std::size_t before = 0;
  for (std::size_t entry = 0; entry < counts.size(); ++entry) {
    const double noise = problem.averages[entry].noise;
    rules_.push_back(rule_of(problem.averages[entry], problem.priors(), dimension));
    error_.resize(before + static_cast<std::size_t>(counts[entry]), noise * noise);
    read(problem, entry, before);
    before = error_.size();
    first_.push_back(before);
    of_second_.push_back(problem.averages[entry].of_second ? 1 : 0);
  }
  add_up(comm, value_);
}

// Collective. This rank's block of one entry; its values go to their places, the others stay zero.
void Averages::read(const Problem& problem, std::size_t entry, std::size_t before) {
  const AverageSpec& spec = problem.averages[entry];
  const Domain* domain = problem.domain ? &*problem.domain : nullptr;
  const auto centres = read_file_points(comm_, spec.centres, PointKind::data, domain);
  const auto d = static_cast<std::size_t>(dimension_);
  const auto count = static_cast<std::int64_t>(error_.size() - before);
  const parallel::Blocks blocks{count, comm_.size()};
  const std::int64_t first = blocks.begin(comm_.rank());
  const std::size_t first_own = own_.size();
  std::vector<std::uint64_t> rows;
  for (std::size_t i = 0; i < centres.size() / d; ++i) {
    rows.push_back(static_cast<std::uint64_t>(first) + i);
    const double* x = &centres[i * d];
    own_.push_back({before + static_cast<std::size_t>(rows.back()), entry, {x, x + d}});
  }
  check_region(problem, entry, first_own, first);
  FieldSpec field;
  field.file = spec.values;
  field.where = spec.where;
  const auto values = evaluate(comm_, field, {dimension_, centres, rows, count, 0});
  for (std::size_t i = 0; i < values.size(); ++i) value_[own_[first_own + i].number] = values[i];
}

// Collective. Nodes and outermost points of every region lie in the domain.
void Averages::check_region(const Problem& problem, std::size_t entry, std::size_t first_own,
                            std::int64_t first_row) const {
  if (!problem.domain) return;
  const auto d = static_cast<std::size_t>(dimension_);
  const MeanRule& rule = rules_[entry];
  constexpr auto none = std::numeric_limits<std::int64_t>::max();
  std::int64_t bad = none;
  std::array<double, 3> x{};
  const auto leaves = [&](const std::vector<double>& centre, const std::vector<double>& offsets) {
    for (std::size_t n = 0; n < offsets.size() / d; ++n) {
      for (std::size_t a = 0; a < d; ++a) x[a] = centre[a] + offsets[n * d + a];
      if (place_of(*problem.domain, x.data()) == Place::outside) return true;
    }
    return false;
  };
  std::size_t i = first_own;
  for (; i < own_.size() && bad == none; ++i) {
    if (leaves(own_[i].centre, rule.nodes) || leaves(own_[i].centre, rule.extremes)) {
      bad = first_row + static_cast<std::int64_t>(i - first_own);
    }
  }
  const std::int64_t first_of_all = comm_.min(bad);
  parallel::agree(comm_, [&] {
    if (bad == none || bad != first_of_all) return;
    const AverageSpec& spec = problem.averages[entry];
    throw Error(ExitCode::input_data,
                fmt::format("{}: row {}: {} around ({}) reaches out of the {}, to ({}); an average "
                            "needs u in all of its region",
                            dataset_name(spec.centres), file_row(spec.centres, bad), words_of(spec),
                            fmt::join(own_[i - 1].centre, ", "), describe(*problem.domain),
                            fmt::join(std::span(x).first(d), ", ")));
  });
}

std::uint64_t Averages::fingerprint() const {
  std::uint64_t sum = 0;
  for (const Own& own : own_) {
    std::vector<double> row(own.centre);
    row.push_back(value_[own.number]);
    sum += output::row_hash(static_cast<std::int64_t>(own.number), row.data(),
                            static_cast<std::int64_t>(row.size()));
  }
  return sum;
}

std::vector<double> Averages::nodes_of(std::size_t begin, std::size_t end) const {
  const auto d = static_cast<std::size_t>(dimension_);
  std::vector<double> nodes;
  for (std::size_t i = begin; i < end; ++i) {
    const std::vector<double>& offsets = rules_[own_[i].rule].nodes;
    for (std::size_t k = 0; k < offsets.size(); ++k) {
      nodes.push_back(own_[i].centre[k % d] + offsets[k]);
    }
  }
  return nodes;
}

void Averages::interpolate(const StateRows& state, double scale,
                           const std::function<void()>& poll) {
  noise_ = error_;
  for (double& variance : noise_) variance /= scale;
  begin_.assign(1, 0);
  row_.clear();
  weight_.clear();
  // All ranks together take a piece of the averages at a time, in the order of their numbers.
  for (std::size_t entry = 0; entry < rules_.size(); ++entry) {
    const std::size_t nodes = rules_[entry].weights.size();
    const std::size_t at_once = lanes * std::max<std::size_t>(1, nodes_at_once / (lanes * nodes));
    for (std::size_t begin = first_[entry]; begin < first_[entry + 1]; begin += at_once) {
      collect(state, begin, std::min(first_[entry + 1], begin + at_once), entry, poll);
    }
  }
}

// Collective. Rows of G for the averages [begin, end), which any ranks hold.
void Averages::collect(const StateRows& state, std::size_t begin, std::size_t end,
                       std::size_t entry, const std::function<void()>& poll) {
  const auto place = [&](std::size_t number) {
    return static_cast<std::size_t>(std::ranges::lower_bound(own_, number, {}, &Own::number) -
                                    own_.begin());
  };
  const std::size_t first = place(begin), last = place(end);
  Interpolation map(comm_, state, nodes_of(first, last), poll,
                    of_second_[entry] != 0 ? value_of_second() : value_of_u());
  std::vector<double> unknown(end - begin, 0.0);
  std::vector<Eight> weights(map.variance().size());
  for (std::size_t block = begin; block < end; block += lanes) {
    std::ranges::fill(weights, linear::all(0));
    std::size_t node = 0;
    for (std::size_t i = first; i < last; ++i) {
      for (const double weight : rules_[own_[i].rule].weights) {
        if (own_[i].number >= block && own_[i].number < block + lanes) {
          reinterpret_cast<double*>(&weights[node])[own_[i].number - block] = weight;
          unknown[own_[i].number - begin] += weight * std::sqrt(map.variance()[node]);
        }
        ++node;
      }
    }
    const auto rows = map.multiply_transposed(weights);
    for (std::size_t l = 0; l < std::min(lanes, end - block); ++l) {
      for (std::size_t r = 0; r < rows.size(); ++r) {
        const double weight = lane(rows[r], l);
        if (weight == 0) continue;
        row_.push_back(static_cast<std::int32_t>(r));
        weight_.push_back(weight);
      }
      begin_.push_back(row_.size());
    }
    poll();
  }
  add_up(comm_, unknown);
  for (std::size_t i = begin; i < end; ++i) noise_[i] += unknown[i - begin] * unknown[i - begin];
}

template <class Number>
std::vector<Number> Averages::partial(std::span<const Number> rows) const {
  std::vector<Number> sums(count(), Number{});
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t k = begin_[i]; k < begin_[i + 1]; ++k) {
      sums[i] = sums[i] + weight_[k] * rows[static_cast<std::size_t>(row_[k])];
    }
  }
  return sums;
}

std::vector<double> Averages::apply(std::span<const double> rows) const {
  auto sums = partial(rows);
  add_up(comm_, sums);
  return sums;
}

std::vector<Eight> Averages::apply(std::span<const Eight> rows) const {
  auto sums = partial(rows);
  add_up(comm_, {reinterpret_cast<double*>(sums.data()), lanes * sums.size()});
  return sums;
}

void Averages::transposed(std::span<const double> weights, std::span<Eight> rows) const {
  std::ranges::fill(rows, linear::all(0));
  for (std::size_t i = 0; i < count(); ++i) {
    for (std::size_t k = begin_[i]; k < begin_[i + 1]; ++k) {
      *reinterpret_cast<double*>(&rows[static_cast<std::size_t>(row_[k])]) +=
          weights[i] * weight_[k];
    }
  }
}

void Averages::transposed(std::size_t first, std::span<Eight> rows) const {
  std::ranges::fill(rows, linear::all(0));
  for (std::size_t l = 0; l < lanes && first + l < count(); ++l) {
    for (std::size_t k = begin_[first + l]; k < begin_[first + l + 1]; ++k) {
      reinterpret_cast<double*>(&rows[static_cast<std::size_t>(row_[k])])[l] = weight_[k];
    }
  }
}

}  // namespace mensura::gp
