// SPDX-License-Identifier: BSD-3-Clause
#include "gp/file_points.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "output/dataset_reader.hpp"

namespace mensura::gp {

namespace {

using parallel::Error;
using parallel::ExitCode;

// Points of meshes are rounded; a part of the domain's extent.
constexpr double boundary_slack = 1e-9;

output::Rows rows_of(const input::FileSource& source) {
  return {source.rows.start, source.rows.stop, source.rows.step};
}

// What is wrong with points of the kind at this depth; empty when nothing is.
class Judge {
 public:
  Judge(PointKind kind, const Domain& domain)
      : kind_(kind),
        domain_(domain),
        tolerance_(boundary_tolerance(domain)),
        slack_(std::max(boundary_slack * extent_of(domain), tolerance_)) {}

  bool accepts(const double* point) const {
    const double depth = boundary_depth(domain_, point);
    if (kind_ == PointKind::boundary) return std::abs(depth) <= slack_;
    return kind_ == PointKind::interior ? depth > tolerance_ : depth >= -tolerance_;
  }
  std::string complaint(const double* point) const {
    const double depth = boundary_depth(domain_, point);
    if (kind_ == PointKind::boundary) {
      return fmt::format(
          "lies {:.3g} off the boundary of the {}; boundary points must lie on it "
          "within {:.1e}",
          std::abs(depth), describe(domain_), slack_);
    }
    if (kind_ == PointKind::data) {
      return fmt::format("lies outside the {}; data points must lie inside or on the boundary",
                         describe(domain_));
    }
    return fmt::format("lies {} the {}; interior points must lie inside",
                       depth >= -tolerance_ ? "on the boundary of" : "outside", describe(domain_));
  }

 private:
  PointKind kind_;
  const Domain& domain_;
  double tolerance_, slack_;
};

}  // namespace

std::string dataset_name(const input::FileSource& source) {
  return source.file.string() + ":" + source.dataset;
}

std::int64_t file_row(const input::FileSource& source, std::int64_t selected) {
  return source.rows.start + selected * source.rows.step;
}

FileSize file_size(const parallel::Communicator& comm, const input::FileSource& source) {
  const auto info = output::inspect(comm, source.file.string(), source.dataset);
  FileSize size;
  size.count = output::count_points(info, rows_of(source));
  size.dimension = info.shape.size() == 2 ? info.shape[1] : 1;
  if (size.dimension > 3) {
    throw Error(ExitCode::input_data,
                fmt::format("{} has {} columns; points have one to three coordinates, one column "
                            "each",
                            dataset_name(source), size.dimension));
  }
  return size;
}

std::vector<double> read_file_points(const parallel::Communicator& comm,
                                     const input::FileSource& source, PointKind kind,
                                     const Domain* domain) {
  auto block = output::read_points(comm, source.file.string(), source.dataset, rows_of(source));
  if (domain == nullptr) return std::move(block.values);
  const Judge judge(kind, *domain);
  const auto d = static_cast<std::size_t>(block.dimension);
  constexpr auto none = std::numeric_limits<std::int64_t>::max();
  std::int64_t first_bad = none;
  std::int64_t bad = 0;
  for (std::size_t i = 0; i < block.values.size() / d; ++i) {
    if (judge.accepts(block.values.data() + i * d)) continue;
    if (bad++ == 0) first_bad = block.first + static_cast<std::int64_t>(i);
  }
  bad = comm.sum(bad);
  const std::int64_t first_of_all = comm.min(first_bad);
  parallel::agree(comm, [&] {
    if (first_bad == none || first_bad != first_of_all) return;
    const auto* point = block.values.data() + static_cast<std::size_t>(first_bad - block.first) * d;
    throw Error(ExitCode::input_data,
                fmt::format("{}: row {}, ({}), {} ({} of {} rows {} not)", dataset_name(source),
                            file_row(source, first_bad), fmt::join(std::span(point, d), ", "),
                            judge.complaint(point), bad, block.total, bad == 1 ? "does" : "do"));
  });
  return std::move(block.values);
}

}  // namespace mensura::gp
