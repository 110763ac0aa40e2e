// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <petscvec.h>

#include <cstdint>
#include <span>
#include <vector>

#include "linear/handles.hpp"
#include "parallel/communicator.hpp"

namespace mensura::transport {

/// Values of a cloud's points at the ranks that use them, and sums on the way back: one persistent
/// exchange with the neighbours (PETSc's VecScatter). Members are collective.
class Ghosts {
 public:
  Ghosts() = default;
  /// `own`: points of this rank; `numbers`: distinct global numbers used here, any order.
  Ghosts(const parallel::Communicator& comm, std::size_t own,
         std::span<const std::int64_t> numbers);

  std::size_t own() const noexcept { return own_; }
  std::size_t size() const noexcept { return size_; }
  /// Own values to the ranks that use them.
  void forward(std::span<const double> own, std::span<double> ghost) const;
  /// The sum (the maximum) over all ranks that use a point; 0 (-infinity) where none does.
  void add(std::span<const double> ghost, std::span<double> own) const;
  void max(std::span<const double> ghost, std::span<double> own) const;

 private:
  void note_neighbours(const parallel::Communicator& comm, std::span<const std::int64_t> numbers);
  void count() const;
  void reverse(std::span<const double> ghost, std::span<double> own, InsertMode mode,
               double initial) const;
  std::size_t own_ = 0, size_ = 0;
  linear::Vector global_, local_;
  linear::Scatter scatter_;
  std::int64_t neighbours_ = 0;  // other ranks that own points used here
  std::int64_t remote_ = 0;      // those points
};

}  // namespace mensura::transport
