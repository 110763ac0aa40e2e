// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/problem.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

const input::Table& posterior_table();
PosteriorSpec posterior_from(const input::Node& node);

}  // namespace mensura::gp
