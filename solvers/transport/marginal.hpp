// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
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
  int dimension = 0;
  std::int64_t total = 0;           ///< points with mass, over all ranks
  std::int64_t input_total = 0;     ///< points or pixels of the input, those without mass too
  std::vector<double> coordinates;  ///< own x dimension, row-major; grids: slowest axis first
  std::vector<double> mass;         ///< own, > 0
  std::vector<std::uint64_t> ids;   ///< own, ascending: position in the input (flat, from zero)
  std::optional<output::RegularGrid> grid;  ///< of the whole input where it is one
  double total_mass = 1;                    ///< of the kept points (exact sum): 1 when normalised
  double input_mass = 1;                    ///< before normalisation
  std::uint64_t fingerprint = 0;            ///< of the input's contents
};

/// Collective. Shape of the input from the header of its file, after resizing.
struct MarginalSize {
  std::int64_t points = 0;
  int dimension = 0;
  std::optional<output::RegularGrid> grid{};
};
MarginalSize size_of(const parallel::Communicator& comm, const MarginalSpec& spec);

/// Collective. Reads, resizes (averages down, interpolates up), adds the floor, normalises where
/// asked, drops points without mass. Throws Error{input_data} on all ranks for negative or NaN mass
/// (with the pixel or row), an empty image (no mass at all), weights that do not match the points,
/// and Error{too_large} before reading what does not fit.
Marginal load_marginal(const parallel::Communicator& comm, const MarginalSpec& spec, bool normalise,
                       const std::function<void()>& poll);

/// Collective. Throws Error{input_data} on all ranks when the two total masses differ by more than
/// 1e-12 of the larger one (balanced problems), naming both, or when the dimensions differ.
void check_pair(const Marginal& a, const Marginal& b, Relaxation relaxation);

}  // namespace mensura::transport
