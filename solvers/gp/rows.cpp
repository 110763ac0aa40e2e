// SPDX-License-Identifier: BSD-3-Clause
#include "gp/rows.hpp"

#include <fmt/format.h>
#include <petscsys.h>

#include <limits>

namespace mensura::gp {

RowLayout make_layout(const parallel::Communicator& comm, const Pattern& pattern,
                      const std::array<int, 3>& rows_per_kind) {
  RowLayout layout;
  const auto points = pattern.ids.size();
  const auto own = static_cast<std::size_t>(pattern.own);
  std::int64_t next = 0;
  std::int64_t ghosts = 0;
  for (std::size_t p = 0; p < points; ++p) {
    (p < own ? next : ghosts) += rows_per_kind[static_cast<std::size_t>(pattern.kind(p))];
  }
  layout.own = next;
  layout.begin = comm.exclusive_scan(next);
  layout.total = comm.sum(next);
  const std::int64_t most = comm.max(next + ghosts);
  constexpr std::int64_t limit = std::numeric_limits<PetscInt>::max();
  if (layout.total > limit || most > std::numeric_limits<std::int32_t>::max()) {
    throw parallel::Error(
        parallel::ExitCode::too_large,
        fmt::format("{} functionals ({} on one rank) are more than this PETSc can number ({}); use "
                    "fewer points, more ranks, or a PETSc with 64-bit indices",
                    layout.total, most, limit));
  }
  next = 0;
  layout.first.reserve(points + 1);
  std::vector<double> global(points, 0.0);  // exact: row numbers are below 2^53
  for (std::size_t p = 0; p < points; ++p) {
    layout.first.push_back(static_cast<std::int32_t>(next));
    if (p < own) global[p] = static_cast<double>(layout.begin + next);
    next += rows_per_kind[static_cast<std::size_t>(pattern.kind(p))];
  }
  layout.first.push_back(static_cast<std::int32_t>(next));
  pattern.halo.fill(comm, global, pattern.own, 1);
  layout.global.assign(global.begin(), global.end());
  return layout;
}

namespace {

void append(std::vector<double>& to, const std::vector<double>& from, std::int32_t first,
            std::int32_t last) {
  if (!from.empty()) to.insert(to.end(), from.begin() + first, from.begin() + last);
}

}  // namespace

const Rows& RowGatherer::gather(std::span<const std::int32_t> points) {
  block_.clear();
  const auto d = static_cast<std::size_t>(pattern_.dimension);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto p = static_cast<std::size_t>(points[i]);
    for (std::size_t a = 0; a < d; ++a) {
      block_.coordinate[a].push_back(pattern_.coordinates[p * d + a]);
    }
    const std::int32_t first = layout_.first[p], last = layout_.first[p + 1];
    block_.point.insert(block_.point.end(), static_cast<std::size_t>(last - first),
                        static_cast<std::int32_t>(i));
    each_kind([&](std::vector<double>& to,
                  const std::vector<double>& from) { append(to, from, first, last); },
              block_, weights_);
  }
  return block_;
}

}  // namespace mensura::gp
