// SPDX-License-Identifier: BSD-3-Clause
// make_measures FILE: small images and clouds, good and broken ones, for tests of messages. One
// rank.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"
#include "parallel/random.hpp"

namespace {

using mensura::output::File;

constexpr std::int64_t height = 12, width = 16, points = 40, many_points = 2000;

// A smooth hill around (row, column), in whole numbers like a photograph.
std::vector<double> hill(double row, double column, double width_squared) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < height; ++i) {
    for (std::int64_t j = 0; j < width; ++j) {
      const double di = static_cast<double>(i) - row, dj = static_cast<double>(j) - column;
      values.push_back(std::round(255 * std::exp(-(di * di + dj * dj) / width_squared)));
    }
  }
  return values;
}

void image(File& file, const std::string& name, const std::vector<double>& values) {
  file.replicated(name, values, {}, {height, width});
}

std::vector<double> with(std::vector<double> values, std::int64_t place, double value) {
  values[static_cast<std::size_t>(place)] = value;
  return values;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const mensura::parallel::Environment environment(argc, argv);
  const auto comm = mensura::parallel::Communicator::world();
  auto file = File::create(comm, argv[1]);
  const auto first = hill(4, 5, 20), second = hill(7, 10, 12);
  image(file, "/first", first);
  image(file, "/second", second);
  image(file, "/negative", with(with(second, 10 * width + 3, -1), 2 * width + 7, -0.5));
  image(file, "/nan", with(second, 9 * width + 2, std::numeric_limits<double>::quiet_NaN()));
  image(file, "/zero", std::vector<double>(first.size(), 0.0));
  std::vector<double> flat, deep, weights;
  for (std::int64_t i = 0; i < points; ++i) {
    const auto x = static_cast<double>(i);
    flat.insert(flat.end(), {std::fmod(0.37 * x, 1), std::fmod(0.71 * x, 1)});
    deep.insert(deep.end(), {std::fmod(0.37 * x, 1), std::fmod(0.71 * x, 1), 0.5});
    weights.push_back(1 + std::fmod(x, 3));
  }
  file.replicated("/flat", flat, {}, {points, 2});
  file.replicated("/deep", deep, {}, {points, 3});
  file.replicated("/weights", weights);
  file.replicated("/negative_weights", with(weights, 23, -2));
  file.replicated("/short", std::vector<double>(7, 1.0));
  // Two sets of a size that has work to do, and masses for the second.
  const mensura::parallel::Stream stream(3, "test", "measures");
  std::vector<double> many, others, masses;
  for (std::uint64_t i = 0; i < std::uint64_t{many_points}; ++i) {
    for (std::uint64_t k = 0; k < 2; ++k) many.push_back(stream.uniform(i, k));
    for (std::uint64_t k = 2; k < 4; ++k) others.push_back(std::pow(stream.uniform(i, k), 2));
    masses.push_back(0.1 + stream.uniform(i, 4));
  }
  file.replicated("/many", many, {}, {many_points, 2});
  file.replicated("/others", others, {}, {many_points, 2});
  file.replicated("/masses", masses);
  // Pixel centres of [0, 1] from the other end.
  std::vector<double> turned;
  for (int i = 0; i < 40; ++i) turned.push_back(1 - (i + 0.5) / 40);
  file.replicated("/turned", turned);
  file.finish();
  return 0;
}
