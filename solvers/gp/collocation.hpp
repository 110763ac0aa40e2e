// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gp/point_set.hpp"
#include "gp/problem.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// How many points of each kind a layout makes, before any is made (--dry-run): exact for grids in
/// boxes and for files, an estimate for grids in other shapes.
struct CollocationSize {
  int dimension = 0;
  std::array<std::int64_t, 3> counts{};
  std::vector<std::int64_t> data_counts{};  ///< of each data entry
  std::int64_t averages = 0;                ///< of all entries
  std::int64_t targets = 0;                 ///< prediction points
  bool exact = true;
};
/// Collective (reads headers of files). Throws Error{usage, input_data}.
CollocationSize collocation_size(const parallel::Communicator& comm, const Problem& problem);

/// Collective. Makes or reads the points of the layout and of the data, block-distributed by global
/// id within each kind; the same on any number of ranks. Random interior points are uniform in the
/// domain, random boundary points uniform in length (area) over all pieces; both keyed by (seed,
/// global index). Grid layouts: the regular grid over the bounding box (per_side points on every
/// axis or one number per axis, ends included). In a box its inner points, row-major with the last
/// axis fastest, are the interior and its outermost ones the boundary, each once. Elsewhere, and in
/// boxes with holes, interior points are those at least half a spacing (the smallest over the axes)
/// inside, and curved or slanted pieces of the boundary carry points at about that spacing. In one
/// dimension the boundary is the two ends, for random layouts too. Throws Error{usage} for an
/// inconsistent domain or layout, Error{input_data} for files with the wrong shape, points outside
/// the domain (file and row of the first one) or boundary points off the boundary when a domain is
/// given, Error{too_large} before anything is allocated that does not fit.
PointSet make_points(const parallel::Communicator& comm, const Problem& problem,
                     const std::function<void()>& poll);

/// Local. Words for a global id: "interior point 17", "row 3 of points.h5:/boundary", "row 5 of
/// data.h5:/stations (data)". `counts` as in PointSet.
std::string name_of_point(const Problem& problem, const PointSet& points, std::uint64_t id);

}  // namespace mensura::gp
