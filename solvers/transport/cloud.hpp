// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "points/tree.hpp"

namespace mensura::transport {

/// A weighted point set distributed by recursive bisection, every rank's share in the order of its
/// kd-tree. Global numbers run through the ranks: own point i is number first + i.
struct Cloud {
  int dimension = 0;
  std::int64_t total = 0, first = 0;
  std::vector<double> coordinates;  ///< own x dimension, row-major
  std::vector<double> mass;         ///< own, > 0
  std::vector<double> log_mass;     ///< own
  std::vector<std::uint64_t> ids;   ///< own: position in the input, or number of a coarse cell
  points::Tree tree;                ///< of the own points
  std::size_t own() const noexcept { return mass.size(); }
};

/// Collective. Distributes points (row-major, own x dimension) with their masses and distinct ids
/// 0 <= id < 2^63.
Cloud make_cloud(const parallel::Communicator& comm, int dimension, std::vector<double> coordinates,
                 std::span<const double> mass, std::span<const std::uint64_t> ids);

/// Lower and upper corner.
struct Box {
  std::vector<double> lower, upper;
  std::vector<double> centre() const;
  std::vector<double> half() const;  ///< half of the sides
};

/// Local. The smallest box around points (row-major, n x dimension); empty: infinities.
Box box_of(int dimension, std::span<const double> coordinates);

/// Collective. The smallest box around all points of the clouds, which have one dimension.
Box box_around(const parallel::Communicator& comm, std::span<const Cloud* const> clouds);
inline Box box_around(const parallel::Communicator& comm,
                      std::initializer_list<const Cloud*> clouds) {
  return box_around(comm, std::span<const Cloud* const>(clouds.begin(), clouds.size()));
}

/// Collective. Rows of `width` values that lie anywhere under distinct ids, as asked for by id
/// elsewhere: the way between two distributions of one point set. Every wanted id must be there.
std::vector<double> values_at(const parallel::Communicator& comm,
                              std::span<const std::uint64_t> ids, std::span<const double> values,
                              int width, std::span<const std::uint64_t> wanted);

}  // namespace mensura::transport
