// SPDX-License-Identifier: BSD-3-Clause
#include "transport/grid_values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>

#include "input/diagnostics.hpp"
#include "input/expression.hpp"
#include "output/dataset_reader.hpp"
#include "parallel/by_index.hpp"
#include "parallel/random.hpp"
#include "transport/resize.hpp"

namespace mensura::transport {

namespace {

using parallel::Error;
using parallel::ExitCode;

std::int64_t row_length(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string pixel_text(const std::vector<std::int64_t>& shape, std::int64_t flat) {
  if (shape.size() == 1) return fmt::format("pixel {}", flat);
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  if (shape.size() == 2) return fmt::format("row {}, column {}", index[0], index[1]);
  return fmt::format("pixel ({})", fmt::join(index, ", "));
}

// The first value of all ranks that is no mass, in the order of the pixels.
void refuse_bad_values(const parallel::Communicator& comm, const MarginalSpec& spec,
                       const std::vector<std::int64_t>& shape, std::int64_t first,
                       std::span<const double> values) {
  constexpr auto none = std::numeric_limits<std::int64_t>::max();
  std::int64_t first_bad = none, bad = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && std::isfinite(values[i])) continue;
    if (bad++ == 0) first_bad = first + static_cast<std::int64_t>(i);
  }
  bad = comm.sum(bad);
  const std::int64_t first_of_all = comm.min(first_bad);
  parallel::agree(comm, [&] {
    if (first_bad == none || first_bad != first_of_all) return;
    throw Error(ExitCode::input_data,
                fmt::format("{}: {} is {}; mass is a finite number >= 0 ({} of {} pixels {} not)",
                            source_text(spec), pixel_text(shape, first_bad),
                            value_text(values[static_cast<std::size_t>(first_bad - first)]), bad,
                            shape[0] * row_length(shape), bad == 1 ? "is" : "are"));
  });
}

// The formula on pixels [first, first + count) of rows of the fastest axis; x runs along it, y and
// z along the slower ones.
class RowFormula {
 public:
  RowFormula(const MarginalSpec& spec, const output::RegularGrid& grid, std::int64_t first,
             std::int64_t count)
      : expression_(spec.density, {"x", "y", "z"}), grid_(grid) {
    const std::size_t axis = grid.shape.size() - 1;
    for (std::int64_t i = first; i < first + count; ++i) x_.push_back(centre(axis, i));
  }
  std::size_t length() const { return x_.size(); }
  // `row` numbers the rows of all slower axes together.
  void evaluate(std::int64_t row, std::span<double> values) {
    const std::size_t axes = grid_.shape.size();
    std::array<double, 2> slower{};  // y, z
    for (std::size_t back = 1; back < axes; ++back) {
      const std::size_t axis = axes - 1 - back;
      slower[back - 1] = centre(axis, row % grid_.shape[axis]);
      row /= grid_.shape[axis];
    }
    const std::array<std::span<const double>, 3> columns{
        x_, std::span<const double>(slower).first(1), std::span<const double>(slower).last(1)};
    expression_.evaluate(columns, values);
  }

 private:
  double centre(std::size_t axis, std::int64_t i) const {
    return (static_cast<double>(i) + 0.5) * grid_.spacing[axis];
  }
  input::Expression expression_;
  const output::RegularGrid& grid_;
  std::vector<double> x_;
};

// Sum mod 2^64 over the ranks of the hashes of their rows, as the reader of datasets does it.
std::uint64_t fingerprint_of(const parallel::Communicator& comm, std::int64_t first_row,
                             std::int64_t rows, std::int64_t columns,
                             std::span<const double> values) {
  std::uint64_t sum = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    sum += output::row_hash(first_row + row, &values[static_cast<std::size_t>(row * columns)],
                            columns);
  }
  // Halves, so that the signed integer reduction cannot overflow.
  std::array<std::int64_t, 2> halves{static_cast<std::int64_t>(sum & 0xffffffffU),
                                     static_cast<std::int64_t>(sum >> 32U)};
  comm.sum(std::span<std::int64_t>(halves));
  sum = static_cast<std::uint64_t>(halves[0]) + (static_cast<std::uint64_t>(halves[1]) << 32U);
  return parallel::mix(sum ^ static_cast<std::uint64_t>(columns));
}

GridValues density_values(const parallel::Communicator& comm, const MarginalSpec& spec,
                          const output::RegularGrid& grid) {
  const parallel::Blocks blocks{grid.shape[0], comm.size()};
  const std::int64_t first = blocks.begin(comm.rank()), rows = blocks.size(comm.rank());
  const std::int64_t columns = row_length(grid.shape);
  GridValues result;
  parallel::agree(comm, [&] {
    result.values.resize(static_cast<std::size_t>(rows * columns));
    if (rows == 0) return;
    // A rank has a part of the only row of a line, and whole rows of the fastest axis otherwise.
    const bool line = grid.shape.size() == 1;
    RowFormula formula(spec, grid, line ? first : 0, line ? rows : grid.shape.back());
    const auto length = formula.length();
    const std::int64_t first_line =
        line ? 0 : first * (columns / static_cast<std::int64_t>(length));
    for (std::size_t i = 0; i < result.values.size() / length; ++i) {
      formula.evaluate(first_line + static_cast<std::int64_t>(i),
                       std::span(result.values).subspan(i * length, length));
    }
  });
  result.fingerprint = fingerprint_of(comm, first, rows, columns, result.values);
  refuse_bad_values(comm, spec, grid.shape, first * columns, result.values);
  return result;
}

}  // namespace

std::string source_text(const MarginalSpec& spec) {
  const std::string place = spec.where.empty() ? "" : spec.where + ": ";
  if (!spec.density.empty()) return place + "the density " + input::quote(spec.density);
  return fmt::format("{}{}:{}", place, spec.file.string(), spec.dataset);
}

output::RegularGrid pixel_grid(std::vector<std::int64_t> shape, std::optional<double> spacing) {
  const std::int64_t longest = *std::max_element(shape.begin(), shape.end());
  const double h = spacing.value_or(1 / static_cast<double>(longest));
  const std::size_t axes = shape.size();
  return {std::move(shape), std::vector<double>(axes, h / 2), std::vector<double>(axes, h)};
}

GridValues grid_values(const parallel::Communicator& comm, const MarginalSpec& spec,
                       const output::RegularGrid& grid, const std::function<void()>& poll) {
  if (!spec.density.empty()) {
    GridValues result = density_values(comm, spec, grid);
    poll();
    return result;
  }
  auto block = output::read_grid(comm, spec.file.string(), spec.dataset);
  poll();
  refuse_bad_values(comm, spec, block.shape, block.first_row * row_length(block.shape),
                    block.values);
  GridValues result;
  result.fingerprint = block.fingerprint;
  result.values = block.shape == grid.shape
                      ? std::move(block.values)
                      : resize(comm, block.shape, std::move(block.values), grid.shape);
  poll();
  return result;
}

}  // namespace mensura::transport
