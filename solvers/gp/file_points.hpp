// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gp/domain.hpp"
#include "gp/point_set.hpp"
#include "input/common.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Local. "points.h5:/interior".
std::string dataset_name(const input::FileSource& source);
/// Local. The row of the file that is row `selected` of the source's selection.
std::int64_t file_row(const input::FileSource& source, std::int64_t selected);

/// Number of points and of coordinates each.
struct FileSize {
  std::int64_t count = 0;
  std::int64_t dimension = 1;
};
/// Collective. From the header. Throws Error{input_data} for what cannot be points: see
/// output::inspect, and more than three columns.
FileSize file_size(const parallel::Communicator& comm, const input::FileSource& source);

/// Collective. This rank's rows, block-distributed. With a domain every row must lie where its kind
/// belongs: interior points inside, boundary points within 1e-9 of the extent from the boundary,
/// data points inside or on the boundary; otherwise Error{input_data} with the first row that does
/// not, and how many do not.
std::vector<double> read_file_points(const parallel::Communicator& comm,
                                     const input::FileSource& source, PointKind kind,
                                     const Domain* domain);

}  // namespace mensura::gp
