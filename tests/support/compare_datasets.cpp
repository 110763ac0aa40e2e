// SPDX-License-Identifier: BSD-3-Clause
// compare_datasets FILE DATASET FILE DATASET: the largest difference of two datasets of equal
// shape, relative to the range (largest minus smallest value) of the first; "nan" where either
// holds anything but numbers. One rank.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "output/dataset_reader.hpp"
#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"

int main(int argc, char** argv) {
  const bool transform = argc == 7 && std::strcmp(argv[1], "--minus-log") == 0;
  if (argc != 5 && !transform) return 2;
  char** names = argv + (transform ? 3 : 1);
  try {
    const mensura::parallel::Environment environment(argc, argv);
    const auto comm = mensura::parallel::Communicator::world();
    const auto read = [&](const char* file, const char* dataset) {
      const auto axes = mensura::output::inspect(comm, file, dataset).shape.size();
      return axes > 2 ? mensura::output::read_grid(comm, file, dataset).values
                      : mensura::output::read_points(comm, file, dataset).values;
    };
    auto first = read(names[0], names[1]);
    const auto second = read(names[2], names[3]);
    if (first.size() != second.size() || first.empty()) return 1;
    if (transform) {
      for (double& value : first) value = -std::atof(argv[2]) * std::log(value);
    }
    const auto [lowest, highest] = std::minmax_element(first.begin(), first.end());
    const double range = *highest - *lowest;
    double difference = 0;
    for (std::size_t i = 0; i < first.size(); ++i) {
      const double here = std::abs(first[i] - second[i]);
      if (!std::isfinite(here)) throw std::domain_error("values that are no numbers");
      difference = std::max(difference, here);
    }
    std::printf("%.17g\n", range > 0 ? difference / range : difference);
  } catch (const std::exception& error) {
    std::printf("nan (%s)\n", error.what());  // read_points refuses NaN and missing datasets
    return 1;
  }
  return 0;
}
