// SPDX-License-Identifier: BSD-3-Clause
#include "gp/formula.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "input/diagnostics.hpp"

namespace mensura::gp {

namespace {

const std::array<std::string, 3> axis_names{"x", "y", "z"};

}  // namespace

Formula::Formula(const FieldSpec& field, int dimension)
    : expression_(field.expression), dimension_(static_cast<std::size_t>(dimension)) {
  for (std::size_t axis = dimension_; axis < 3; ++axis) {
    if (!expression_.uses(axis_names[axis])) continue;
    throw parallel::Error(
        parallel::ExitCode::usage,
        fmt::format("{} uses {}, but the points have {} coordinate{}", subject_text(field),
                    axis_names[axis], dimension, dimension == 1 ? "" : "s"));
  }
}

void Formula::load(std::span<const double> coordinates, double time) {
  points_ = coordinates.size() / dimension_;
  time_ = time;
  for (std::size_t axis = 0; axis < dimension_; ++axis) {
    columns_[axis].resize(points_);
    for (std::size_t i = 0; i < points_; ++i) {
      columns_[axis][i] = coordinates[i * dimension_ + axis];
    }
  }
}

void Formula::evaluate(std::span<double> values, int axis, double shift) {
  std::array<std::span<const double>, 4> columns{columns_[0], columns_[1], columns_[2],
                                                 std::span(&time_, 1)};
  if (shift != 0) {
    const auto& column = columns_[static_cast<std::size_t>(axis)];
    shifted_.resize(points_);
    std::transform(column.begin(), column.end(), shifted_.begin(),
                   [shift](double x) { return x + shift; });
    columns[static_cast<std::size_t>(axis)] = shifted_;
  }
  if (points_ > 0) expression_.evaluate(columns, values.first(points_));
}

void refuse_first(const parallel::Communicator& comm, const FieldPoints& points,
                  std::span<const std::size_t> bad,
                  const std::function<std::string(std::size_t, std::int64_t)>& text) {
  std::vector<std::size_t> first(bad.begin(), bad.end());
  std::erase_if(first, [&](auto point) { return point >= points.own; });
  const std::int64_t count = comm.sum(static_cast<std::int64_t>(first.size()));
  if (count == 0) return;
  const auto d = static_cast<std::size_t>(points.dimension);
  for (std::size_t axis = 0; axis < d; ++axis) {
    double least = std::numeric_limits<double>::infinity();
    for (const auto point : first) least = std::min(least, points.coordinates[point * d + axis]);
    least = comm.min(least);
    std::erase_if(first, [&](auto point) { return points.coordinates[point * d + axis] > least; });
  }
  parallel::agree(comm, [&] {
    if (first.empty()) return;
    throw parallel::Error(parallel::ExitCode::input_data, text(first.front(), count));
  });
}

std::string place_text(const FieldPoints& points, std::size_t point) {
  const auto d = static_cast<std::size_t>(points.dimension);
  auto text = fmt::format("at ({})", fmt::join(points.coordinates.subspan(point * d, d), ", "));
  if (points.time != 0) text += fmt::format(", t = {}", points.time);
  return text;
}

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string subject_text(const FieldSpec& field) {
  return fmt::format("{}{}{}", field.where, field.where.empty() ? "" : ": ",
                     field.file
                         ? fmt::format("{}:{}", field.file->file.string(), field.file->dataset)
                         : "the formula " + input::quote(field.expression));
}

}  // namespace mensura::gp
