// SPDX-License-Identifier: BSD-3-Clause
// make_draw FILE SEED LAYOUT SIDE LENGTH_X LENGTH_Y VARIANCE STATIONS NOISE: draws u from the
// prior, Matern 7/2 on the unit square, and writes what -Lap u + u and u are at points: /interior
// with /source, /boundary with /boundary_values, /stations with u itself in /truth and with normal
// errors of deviation NOISE in /measured. LAYOUT: grid or random, SIDE^2 points in all. One rank.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "gp/covariance.hpp"
#include "linear/dense.hpp"
#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"
#include "parallel/random.hpp"

namespace {

using namespace mensura;

struct Points {
  std::vector<double> boundary, interior, stations;
};

Points make_points(bool grid, int side, int stations, const parallel::Stream& stream) {
  Points points;
  const int last = side - 1;
  for (int i = 0; i < 4 * last; ++i) {  // around the square
    const double t = static_cast<double>(i % last) / last;
    const auto edge = static_cast<std::size_t>(i / last);
    const std::array<double, 4> x{t, 1, 1 - t, 0}, y{0, t, 1, 1 - t};
    points.boundary.insert(points.boundary.end(), {x[edge], y[edge]});
  }
  std::uint64_t next = 0;
  const auto random = [&](std::vector<double>& to) {
    to.push_back(stream.uniform(next, 0));
    to.push_back(stream.uniform(next++, 1));
  };
  for (int i = 0; i < (side - 2) * (side - 2); ++i) {
    if (grid) {
      points.interior.push_back(static_cast<double>(1 + i % (side - 2)) / last);
      points.interior.push_back(static_cast<double>(1 + i / (side - 2)) / last);
    } else {
      random(points.interior);
    }
  }
  for (int i = 0; i < stations; ++i) random(points.stations);
  return points;
}

void add_rows(gp::Rows& rows, const std::vector<double>& points, double value, double laplacian) {
  for (std::size_t i = 0; i < points.size(); i += 2) {
    for (std::size_t a = 0; a < 2; ++a) rows.coordinate[a].push_back(points[i + a]);
    rows.point.push_back(static_cast<std::int32_t>(rows.point.size()));
    rows.value.push_back(value);
    rows.laplacian.push_back(laplacian);
  }
}

// A draw of all rows; empty when their covariance is not positive definite in double precision.
std::vector<double> draw(const gp::Rows& rows, const std::vector<double>& lengths, double variance,
                         const parallel::Stream& stream) {
  gp::Covariance covariance({{{variance, {{gp::Family::matern_7_2, lengths, {}}}}}}, 2);
  const std::size_t n = rows.rows(), stride = (n + 7) / 8 * 8;
  std::vector<double> matrix(n * stride), values(n);
  covariance.symmetric(rows, matrix.data(), stride);
  for (std::size_t i = 0; i < n; ++i) matrix[i * stride + i] *= 1 + 1e-10;
  if (linear::cholesky(n, matrix.data(), stride) < n) return {};
  for (std::size_t i = 0; i < n; ++i) {
    const double normal = stream.normal(i, 0);
    for (std::size_t j = i; j < n; ++j) values[j] += matrix[i * stride + j] * normal;
  }
  return values;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) return 2;
  const parallel::Environment environment(argc, argv);
  const auto comm = parallel::Communicator::world();
  const auto seed = static_cast<std::uint64_t>(std::atoll(argv[2]));
  const Points points = make_points(std::string(argv[3]) == "grid", std::atoi(argv[4]),
                                    std::atoi(argv[8]), {seed, "test", "points"});
  gp::Rows rows;
  rows.dimension = 2;
  add_rows(rows, points.boundary, 1, 0);
  add_rows(rows, points.interior, 1, 0);
  add_rows(rows, points.interior, 0, -1);
  add_rows(rows, points.stations, 1, 0);
  const auto values = draw(rows, {std::atof(argv[5]), std::atof(argv[6])}, std::atof(argv[7]),
                           {seed, "test", "draw"});
  if (values.empty()) return 1;
  auto file = output::File::create(comm, argv[1]);
  auto at = values.begin();
  const auto take = [&](const std::vector<double>& points_of) {
    const auto count = static_cast<std::ptrdiff_t>(points_of.size() / 2);
    at += count;
    return std::vector<double>(at - count, at);
  };
  const auto write_points = [&](const char* name, const std::vector<double>& of) {
    file.replicated(name, of, {}, {static_cast<std::int64_t>(of.size() / 2), 2});
  };
  write_points("/boundary", points.boundary);
  file.replicated("/boundary_values", take(points.boundary));
  write_points("/interior", points.interior);
  const auto u = take(points.interior);
  auto linear = take(points.interior), cubic = linear;
  for (std::size_t i = 0; i < u.size(); ++i) {
    linear[i] += u[i];
    cubic[i] += u[i] * u[i] * u[i];
  }
  file.replicated("/source", linear);
  file.replicated("/cubic", cubic);
  if (!points.stations.empty()) {
    const parallel::Stream errors(seed, "test", "errors");
    const double noise = std::atof(argv[9]);
    auto truth = take(points.stations), measured = truth;
    for (std::size_t i = 0; i < measured.size(); ++i) measured[i] += noise * errors.normal(i, 0);
    write_points("/stations", points.stations);
    file.replicated("/truth", truth);
    file.replicated("/measured", measured);
  }
  file.finish();
  return 0;
}
