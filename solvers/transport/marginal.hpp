// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "output/field_writer.hpp"
#include "parallel/communicator.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// A discrete measure on this rank: the points that carry mass, distributed in blocks of the
/// input's order (rank r holds the kept points of its block of input points or of grid rows).
struct Marginal {
  std::string name;
  std::string source{};  ///< source_text(): where the deck says it and what it is, for messages
  int dimension = 0;
  std::int64_t total = 0;           ///< points with mass, over all ranks
  std::int64_t input_total = 0;     ///< points or pixels of the input, those without mass too
  std::vector<double> coordinates;  ///< own x dimension, row-major; grids: slowest axis first
  std::vector<double> mass;         ///< own, > 0
  std::vector<std::uint64_t> ids;   ///< own, ascending: position in the input (flat, from zero)
  std::optional<output::RegularGrid> grid;  ///< of the whole input where it is one
  double total_mass = 1;          ///< exact sum of the masses: 1 to rounding when normalised
  double input_mass = 1;          ///< of the input with the floor, in its own units
  std::uint64_t fingerprint = 0;  ///< of the input's contents, before resizing
};

/// Collective. Shape of the input from the header of its file, after resizing; of a density from
/// the deck.
struct MarginalSize {
  std::int64_t points = 0;
  int dimension = 0;
  std::optional<output::RegularGrid> grid{};
};
MarginalSize size_of(const parallel::Communicator& comm, const MarginalSpec& spec);
/// Collective. Of all marginals of a problem; free ones are like theirs, or have as many points as
/// they want.
std::vector<MarginalSize> sizes_of(const parallel::Communicator& comm, const Problem& problem);

/// Local. Throws Error{input_data} when two dimensions differ (but for a cost matrix), when a
/// periodic cost has not one period per axis, and when line, circle, sliced or the formulas of a
/// closing map do not fit the dimension. One size for each marginal of the problem, in their order.
void check_sizes(const Problem& problem, std::span<const MarginalSize> sizes);

/// Local. Bytes of a marginal of this size on one of `ranks` ranks while load_marginal() runs.
std::int64_t loading_bytes(const MarginalSize& size, int ranks);

/// Collective. Reads (or evaluates the density), resizes (averages down, interpolates up), adds the
/// floor, normalises where asked, drops points without mass:
///   normalised: mass = (value / max(value) + floor) / sum of it;  else value + floor * max(value).
/// Throws Error{input_data} on all ranks for negative or NaN mass (with the pixel or row), an empty
/// image (no mass at all, whatever the floor), weights that do not match the points, and
/// Error{too_large} before reading what does not fit. Results do not depend on the number of ranks,
/// bitwise.
Marginal load_marginal(const parallel::Communicator& comm, const MarginalSpec& spec, bool normalise,
                       const std::function<void()>& poll);

/// Local. A free marginal: all points of `like`'s grid, or those that carry mass of its cloud, with
/// equal masses that sum to `like`'s: the reference measure. `longest`: pixels of the longer side
/// of a grid in the same box instead.
Marginal free_marginal(const parallel::Communicator& comm, const std::string& name,
                       const Marginal& like, std::optional<std::int64_t> longest = {});

/// Local. A marginal without its points: name, sizes, masses, grid.
Marginal head_of(const Marginal& marginal);

/// Local. Throws Error{input_data} when the two total masses differ by more than 1e-12 of the
/// larger one (balanced problems), naming both, or when a partial transport is to move more than
/// the smaller one has. Total masses are the same on all ranks, so all throw.
void check_pair(const Marginal& a, const Marginal& b, Relaxation relaxation,
                double partial_mass = 0);

}  // namespace mensura::transport
