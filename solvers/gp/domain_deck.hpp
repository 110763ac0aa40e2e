// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "gp/problem.hpp"
#include "input/diagnostics.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

/// The section `domain`.
const input::Table& domain_table();

/// Local. The domain as written; check_domain says whether it makes sense.
Domain domain_from(const input::Node& domain);

/// The section `points`.
const input::Table& points_table();

/// {file, dataset, rows}: points in an HDF5 file.
const input::Table& point_file_table();

/// Local. `run_seed` holds where the section has no seed of its own.
LayoutSpec layout_from(const input::Node& points, std::uint64_t run_seed);

/// Local. The dimension of the deck's problem: that of the domain, else that of the equation where
/// it has one; 0 if the deck leaves it to the point files or contradicts itself.
int dimension_of(const input::Node& root);

/// Checks across keys: the domain against itself, the domain against the equation, and the points
/// against the domain.
void check_shape(const input::Node& here, const input::Node& root, input::Diagnostics& diagnostics);
void check_domain_given(const input::Node& here, const input::Node& root,
                        input::Diagnostics& diagnostics);
void check_equation_dimension(const input::Node& here, const input::Node& root,
                              input::Diagnostics& diagnostics);
void check_points(const input::Node& here, const input::Node& root,
                  input::Diagnostics& diagnostics);

}  // namespace mensura::gp
