// SPDX-License-Identifier: BSD-3-Clause
#include "gp/field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/formula.hpp"
#include "output/dataset_reader.hpp"
#include "parallel/by_index.hpp"

namespace mensura::gp {

namespace {

std::size_t count_of(const FieldPoints& points) {
  return points.coordinates.size() / static_cast<std::size_t>(points.dimension);
}

std::vector<double> evaluate_formula(const parallel::Communicator& comm, const FieldSpec& field,
                                     const FieldPoints& points) {
  std::vector<double> values;
  std::vector<std::size_t> bad;
  parallel::agree(comm, [&] {
    Formula formula(field, points.dimension);
    values.resize(count_of(points));
    const auto d = static_cast<std::size_t>(points.dimension);
    for (std::size_t first = 0; first < values.size(); first += Formula::piece) {
      const std::size_t count = std::min(Formula::piece, values.size() - first);
      formula.load(points.coordinates.subspan(first * d, count * d), points.time);
      formula.evaluate(std::span(values).subspan(first, count));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) bad.push_back(i);
    }
  });
  refuse_first(comm, points, bad, [&](std::size_t point, std::int64_t count) {
    return fmt::format("{} is {} {}; a finite number is needed at every point ({} {} not finite)",
                       subject_text(field), value_text(values[point]), place_text(points, point),
                       count, count == 1 ? "value is" : "values are");
  });
  return values;
}

std::vector<double> read_field(const parallel::Communicator& comm, const FieldSpec& field,
                               const FieldPoints& points) {
  const auto& source = *field.file;
  const auto block = output::read_points(comm, source.file.string(), source.dataset,
                                         {source.rows.start, source.rows.stop, source.rows.step});
  parallel::agree(comm, [&] {
    const std::string subject = subject_text(field);
    if (block.dimension != 1) {
      throw parallel::Error(
          parallel::ExitCode::input_data,
          fmt::format("{} has {} columns; a field has one number per point: shape (n,) or (n, 1)",
                      subject, block.dimension));
    }
    if (block.total != points.total_rows) {
      throw parallel::Error(
          parallel::ExitCode::input_data,
          fmt::format("{} has {} rows, but there are {} points; one row per point, in the order of "
                      "the points, is needed",
                      subject, block.total, points.total_rows));
    }
    parallel::require(points.rows.size() == count_of(points), "every point knows its row");
  });
  return parallel::fetch_rows(comm, block.values, block.total, 1, points.rows);
}

}  // namespace

std::vector<double> evaluate(const parallel::Communicator& comm, const FieldSpec& field,
                             const FieldPoints& points) {
  parallel::require(points.dimension >= 1 && points.dimension <= 3, "points have 1 to 3 axes");
  parallel::require(field.present(), "only fields that the deck gives are evaluated");
  if (field.file) return read_field(comm, field, points);
  return evaluate_formula(comm, field, points);
}

void require_positive(const parallel::Communicator& comm, const FieldSpec& field,
                      const FieldPoints& points, std::span<const double> values,
                      const std::string& reason) {
  std::vector<std::size_t> bad;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > 0)) bad.push_back(i);
  }
  refuse_first(comm, points, bad, [&](std::size_t point, std::int64_t count) {
    return fmt::format("{} is {} {}; {} ({} {} not positive)", subject_text(field),
                       value_text(values[point]), place_text(points, point), reason, count,
                       count == 1 ? "value is" : "values are");
  });
}

}  // namespace mensura::gp
