// SPDX-License-Identifier: BSD-3-Clause
#include "gp/problem.hpp"

namespace mensura::gp {

const std::vector<std::string>& equation_names() {
  static const std::vector<std::string> names = {"elliptic", "burgers", "monge_ampere", "eikonal",
                                                 "darcy_inverse"};
  return names;
}

}  // namespace mensura::gp
