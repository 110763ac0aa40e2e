// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/line.hpp"

namespace mensura::transport {

/// Cumulated mass as an integer: sums are exact and two measures' totals can meet exactly.
__extension__ using Units = unsigned __int128;
/// Totals lie below 2^(unit_bits + 1) units.
inline constexpr int unit_bits = 125;

/// All points at one position: they carry the mass between `start` and `end`.
struct Group {
  Units start, end;
  double position;
};

/// Masses by global number (points numbered through the ranks): all `common` where that is not
/// zero, else `block` in the block distribution.
struct Masses {
  std::vector<double> block;
  double common = 0;
  std::int64_t first = 0, total = 0;  ///< number of the first own point; points over all ranks
};

/// The masses of two measures and their common unit 2^exponent.
struct MassPair {
  Masses a, b;
  int exponent = 0;
  double total = 0;  ///< of a, as doubles round it
};

/// One measure in the order of the line.
struct Ordered {
  std::vector<Group> groups;       ///< ascending; those whose last point is on this rank
  std::vector<std::uint64_t> ids;  ///< own sorted points: their global numbers
  std::vector<char> closes;        ///< own sorted points: the last one of its group?
  Units total = 0;                 ///< over all ranks
};

struct OrderedPair {
  Ordered a, b;
  Units total = 0;
  int exponent = 0;
};

/// Collective. Checks masses and positions (`dimension` of them per point) and the totals against
/// the contract of Weighted.
MassPair carry_masses(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                      int dimension);

/// Collective. Sorts both measures with the masses brought along, cumulates and makes the totals
/// meet. The positions belong to the points that carry_masses got.
OrderedPair order_pair(const parallel::Communicator& comm, const MassPair& masses,
                       std::span<const double> positions_a, std::span<const double> positions_b);

/// Any number of measures of one total.
struct OrderedSet {
  std::vector<Ordered> measures;
  Units total = 0;
  int exponent = 0;
};

/// Collective. Checks one measure or more against the contract of Weighted (all totals agree),
/// sorts and cumulates them in a common unit and makes their totals meet.
OrderedSet order_measures(const parallel::Communicator& comm, std::span<const Weighted> measures);

/// Collective. Sum of one value per rank over all lower ranks; `total` gets that over all ranks.
/// Modulo 2^128, so that two's complement works too.
Units sum_of_lower(const parallel::Communicator& comm, Units value, Units& total);

/// The multiple of 2^exponent nearest to a value >= 0; the value is below 2^(exponent + 127).
Units nearest_units(double value, int exponent);

/// Mass as a fraction of 2^unit_bits units, so that products neither overflow nor vanish early.
double relative(Units mass);

/// Throws Error{numerical} when a cost, the same on all ranks, is not finite.
void require_range(double cost);

/// A sum of relative masses times costs, the same on all ranks, in the caller's unit of mass.
/// Throws as require_range.
double absolute_cost(double sum, int exponent);

}  // namespace mensura::transport
