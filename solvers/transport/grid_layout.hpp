// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/by_index.hpp"
#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"

namespace mensura::transport {

/// The ways between a cloud whose ids are flat positions of a grid and two distributions of that
/// grid: slabs along the slowest axis, and columns along it. Both are planned once.
class GridLayout {
 public:
  /// Collective. Throws Error{internal} on all ranks when an id is no position of the grid.
  GridLayout(const parallel::Communicator& comm, const Cloud& cloud,
             const std::vector<std::int64_t>& shape);

  const std::vector<std::int64_t>& shape() const noexcept { return shape_; }
  const parallel::Blocks& slabs() const noexcept { return slabs_; }      ///< of the slowest axis
  const parallel::Blocks& columns() const noexcept { return columns_; }  ///< of the other axes

  /// Collective, as the other two without a reduction. Values of the own points as this rank's slab
  /// (own rows x the other axes), -inf where the cloud has no point.
  void to_slab(const parallel::Communicator& comm, std::span<const double> values,
               std::span<double> slab) const;
  /// Collective. From this rank's columns (slowest axis x own columns) to the own points.
  void from_columns(const parallel::Communicator& comm, std::span<const double> columns,
                    std::span<double> values) const {
    collect(comm, column_, columns, values);
  }
  /// Collective. From this rank's slab to the own points.
  void from_slab(const parallel::Communicator& comm, std::span<const double> slab,
                 std::span<double> values) const {
    collect(comm, slab_, slab, values);
  }

 private:
  // Own points in the order of the ranks that hold them; there their places in what it holds. The
  // values on the way have memory of their own, so that nothing need be agreed when they travel.
  struct Way {
    std::vector<std::size_t> order;
    std::vector<std::int64_t> counts;
    std::vector<std::size_t> places;
    std::vector<std::int64_t> place_counts;
    mutable std::vector<double> at_points, at_places;
  };
  Way plan(const parallel::Communicator& comm, const Cloud& cloud, bool slab) const;
  static void collect(const parallel::Communicator& comm, const Way& way,
                      std::span<const double> held, std::span<double> values);

  std::vector<std::int64_t> shape_;
  parallel::Blocks slabs_, columns_;
  Way slab_, column_;
};

/// Collective. Slabs (own rows x columns) of a rows x columns array as its columns (rows x own
/// columns).
std::vector<double> slabs_to_columns(const parallel::Communicator& comm,
                                     std::span<const double> slab, const parallel::Blocks& rows,
                                     const parallel::Blocks& columns);

}  // namespace mensura::transport
