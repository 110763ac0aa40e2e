// SPDX-License-Identifier: BSD-3-Clause
// mensura-reference: prints inputs/REFERENCE.md from the option tables of all drivers.
#include <iostream>

#include "divergence/deck.hpp"
#include "gp/deck.hpp"
#include "transport/deck.hpp"

int main() {
  using namespace mensura;
  std::cout << input::reference_page({divergence::schema(), gp::schema(), transport::schema()})
            << std::flush;
  return std::cout.good() ? 0 : 1;
}
