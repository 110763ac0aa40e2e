// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "gp/problem.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

/// The section `equation`.
const input::Table& equation_table();

/// A field in the coordinates of the domain.
const input::Table& field_table();

/// Local. A field of a checked deck; nothing for an absent one.
FieldSpec field_from(const input::Node& node);

/// Local. The equation of a checked deck; formulas stay text.
EquationSpec equation_from(const input::Node& equation);

/// A field of the section `equation` and the key that holds it.
struct FieldNode {
  std::string key;
  input::Node node;
};

/// Local. The fields that are present, defaults and the entries of diffusion_gradient included.
std::vector<FieldNode> fields_of(const input::Node& equation);

/// Local. The formula of a field; empty for a dataset.
std::string formula_of(const input::Node& field);

/// Local. The field comes from a file. A check that asks ends where the file's key is wrong.
bool is_dataset(const input::Node& field);

/// Local. Whether `exact` is the word cole_hopf.
bool wants_cole_hopf(const input::Node& equation);

}  // namespace mensura::gp
