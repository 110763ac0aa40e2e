// SPDX-License-Identifier: BSD-3-Clause
// compare_datasets FILE DATASET FILE DATASET: the largest difference of two datasets of equal shape,
// relative to the range (largest minus smallest value) of the first; "nan" where either holds
// anything but numbers. One rank.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "output/dataset_reader.hpp"
#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"
#include "parallel/error.hpp"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  try {
    const mensura::parallel::Environment environment(argc, argv);
    const auto comm = mensura::parallel::Communicator::world();
    const auto first = mensura::output::read_points(comm, argv[1], argv[2]).values;
    const auto second = mensura::output::read_points(comm, argv[3], argv[4]).values;
    if (first.size() != second.size() || first.empty()) return 1;
    const auto [lowest, highest] = std::minmax_element(first.begin(), first.end());
    double difference = 0;
    for (std::size_t i = 0; i < first.size(); ++i) {
      difference = std::max(difference, std::abs(first[i] - second[i]));
    }
    const double range = *highest - *lowest;
    std::printf("%.17g\n", range > 0 ? difference / range : difference);
  } catch (const mensura::parallel::Error& error) {
    std::printf("nan (%s)\n", error.what());  // read_points refuses NaN and missing datasets
    return 1;
  }
  return 0;
}
