// SPDX-License-Identifier: BSD-3-Clause
// make_cloud FILE [SIZE]: writes the scattered points that tests/gp/cloud.yaml reads: a flower with
// five petals, r < 1 + 0.3 cos(5 angle), times SIZE (1), with the fields of the harmonic function
// exp(x) cos(y), measurements of it with normal errors, and broken copies for tests of messages.
// One rank.
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"

namespace {

using mensura::output::File;

double rim(double angle) {
  return 1 + 0.3 * std::cos(5 * angle);
}

double solution(double x, double y) {
  return std::exp(x) * std::cos(y);
}

// A low-discrepancy sequence (fractional parts of multiples of the plastic number's powers), kept
// where it lies well inside.
std::vector<double> inside(int trials, int first = 1) {
  constexpr double plastic = 1.32471795724474602596;
  std::vector<double> points;
  for (int i = first; i < first + trials; ++i) {
    const double x = 2.6 * (std::fmod(0.5 + i / plastic, 1.0) - 0.5);
    const double y = 2.6 * (std::fmod(0.5 + i / (plastic * plastic), 1.0) - 0.5);
    if (std::hypot(x, y) > 0.97 * rim(std::atan2(y, x))) continue;
    points.insert(points.end(), {x, y});
  }
  return points;
}

std::vector<double> around(int number) {
  std::vector<double> points;
  for (int i = 0; i < number; ++i) {
    const double angle = 2 * std::numbers::pi * i / number;
    points.insert(points.end(), {rim(angle) * std::cos(angle), rim(angle) * std::sin(angle)});
  }
  return points;
}

std::vector<double> scaled(std::vector<double> points, double size) {
  for (double& coordinate : points) coordinate *= size;
  return points;
}

std::vector<double> values(const std::vector<double>& points, int power) {
  std::vector<double> result;
  for (std::size_t i = 0; i < points.size(); i += 2) {
    result.push_back(std::pow(solution(points[i], points[i + 1]), power));
  }
  return result;
}

// With independent normal errors (Box-Muller; the generator's numbers are prescribed by the
// standard, those of its distributions are not).
std::vector<double> with_errors(std::vector<double> result, double noise) {
  std::mt19937_64 generator(1);
  const auto uniform = [&] { return (static_cast<double>(generator() >> 11) + 0.5) * 0x1p-53; };
  for (double& value : result) {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    value += noise * radius * std::cos(2 * std::numbers::pi * uniform());
  }
  return result;
}

// Derivatives of the solution along (0.6, 0.8).
std::vector<double> slopes(const std::vector<double>& points) {
  std::vector<double> result;
  for (std::size_t i = 0; i < points.size(); i += 2) {
    const double x = points[i], y = points[i + 1];
    result.push_back(std::exp(x) * (0.6 * std::cos(y) - 0.8 * std::sin(y)));
  }
  return result;
}

void write_points(File& file, const std::string& name, const std::vector<double>& points) {
  file.replicated(name, points, {}, {static_cast<std::int64_t>(points.size() / 2), 2});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  const double size = argc == 3 ? std::atof(argv[2]) : 1;
  const mensura::parallel::Environment environment(argc, argv);
  const auto comm = mensura::parallel::Communicator::world();
  auto file = File::create(comm, argv[1]);
  const auto interior = scaled(inside(3000), size);
  const auto boundary = scaled(around(240), size);
  write_points(file, "/interior", interior);
  write_points(file, "/boundary", boundary);
  file.replicated("/source", values(interior, 3));  // -Lap u + u^3 = u^3 for harmonic u
  file.replicated("/boundary_values", values(boundary, 1));
  const auto stations = scaled(inside(60), size);
  write_points(file, "/stations", stations);
  file.replicated("/exact", values(stations, 1));
  const auto sites = scaled(inside(440, 10001), size);
  write_points(file, "/sites", sites);
  file.replicated("/measured", with_errors(values(sites, 1), 0.01));  // of a range of about 3
  // The mean of a harmonic function over a disk is its value in the centre.
  const auto inner = scaled(inside(200, 20001), 0.8 * size);
  write_points(file, "/inner", inner);
  file.replicated("/slopes", with_errors(slopes(inner), 0.03));
  file.replicated("/averages", with_errors(values(inner, 1), 0.01));
  auto broken = interior;
  broken[2 * 17] = broken[2 * 5];  // row 17 repeats row 5
  broken[2 * 17 + 1] = broken[2 * 5 + 1];
  write_points(file, "/repeated", broken);
  broken = interior;
  broken[2 * 17 + 1] = std::numeric_limits<double>::quiet_NaN();
  write_points(file, "/nan", broken);
  file.replicated("/short", std::vector<double>(10, 1.0));
  file.finish();
  return 0;
}
