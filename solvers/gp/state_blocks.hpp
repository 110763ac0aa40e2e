// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gp/pattern.hpp"
#include "gp/rows.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Numbers of points and of their state rows between the storage order of a pattern, which depends
/// on the ranks, and blocks by global id, as checkpoints hold them. All members are collective.
/// References must outlive the object.
class StateBlocks {
 public:
  /// `width`: most rows of a point.
  StateBlocks(const parallel::Communicator& comm, const Pattern& pattern, const RowLayout& layout,
              int width);

  /// Own rows to this rank's block of points x width (rows that a point lacks are zero), and back.
  std::vector<double> from_rows(std::span<const double> rows) const;
  std::vector<double> to_rows(std::span<const double> block) const;
  /// Own points x numbers to this rank's block, and back.
  std::vector<double> from_points(std::span<const double> values, int numbers = 1) const;
  std::vector<double> to_points(std::span<const double> block, int numbers = 1) const;

  std::int64_t total() const noexcept { return total_; }  ///< points
  int width() const noexcept { return static_cast<int>(width_); }

 private:
  const parallel::Communicator& comm_;
  const Pattern& pattern_;
  const RowLayout& layout_;
  std::size_t width_;
  std::int64_t total_;
};

}  // namespace mensura::gp
