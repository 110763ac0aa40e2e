// SPDX-License-Identifier: BSD-3-Clause
// make_sets FILE: writes the sample sets that the driver's tests read. One rank.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"
#include "parallel/random.hpp"

namespace {

using mensura::output::File;
using mensura::parallel::Stream;

// n points of dimension d around `shift`; one in ten repeats an earlier point, one in twenty a
// point of a pool that all sets share, so that coincident points lie within and between the sets.
std::vector<double> sample(const std::string& name, std::int64_t n, std::int64_t d, double shift) {
  const Stream own(11, "fixture", name);
  const Stream shared(11, "fixture", "pool");
  std::vector<double> values;
  for (std::int64_t row = 0; row < n; ++row) {
    for (std::int64_t column = 0; column < d; ++column) {
      const auto draw = static_cast<std::uint64_t>(column);
      if (row % 10 == 9) {
        values.push_back(values[static_cast<std::size_t>((row / 3) * d + column)]);
      } else if (row % 20 == 5) {
        values.push_back(shared.normal(static_cast<std::uint64_t>(row / 20), draw));
      } else {
        values.push_back(shift + own.normal(static_cast<std::uint64_t>(row), draw));
      }
    }
  }
  return values;
}

void write(File& file, const std::string& name, std::int64_t n, std::int64_t d, double shift) {
  file.replicated("/" + name, sample(name, n, d, shift), {}, {n, d});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const mensura::parallel::Environment environment(argc, argv);
  const auto comm = mensura::parallel::Communicator::world();
  auto file = File::create(comm, argv[1]);
  for (const std::int64_t d : {1, 2, 3, 8}) {
    const std::string tail = std::to_string(d);
    write(file, "p" + tail, 4000, d, 0.0);
    write(file, "q" + tail, 3000, d, 0.4);
  }
  for (const std::string name : {"p3", "q3"}) {  // the same points, 2^600 times as large
    auto values = sample(name, name == "p3" ? 4000 : 3000, 3, name == "p3" ? 0.0 : 0.4);
    for (double& value : values) value = std::ldexp(value, 600);
    file.replicated("/huge_" + name, values, {}, {name == "p3" ? 4000 : 3000, 3});
  }
  std::vector<double> line = sample("p1", 500, 1, 0.0);
  file.replicated("/line", line);
  std::vector<double> broken = sample("p3", 600, 3, 0.0);
  broken[417 * 3 + 1] = std::numeric_limits<double>::quiet_NaN();
  broken[500 * 3] = std::numeric_limits<double>::infinity();
  file.replicated("/nan", broken, {}, {600, 3});
  broken[417 * 3 + 1] = 0;
  file.replicated("/inf", broken, {}, {600, 3});
  file.replicated("/cube", std::vector<double>(60, 1.0), {}, {10, 3, 2});
  file.replicated("/empty", std::vector<double>{}, {}, {0, 3});
  file.replicated("/words", std::vector<std::string>{"not", "numbers"});
  file.replicated("/counts", std::vector<std::int64_t>{1, 5, 2, 8, 3, 9, 4, 7, 6, 0});
  file.replicated("/huge", std::vector<std::int64_t>{1, 2, (std::int64_t{1} << 53) + 1, 4});
  file.replicated("/constant", std::vector<double>(3000, 1.0), {}, {1000, 3});
  file.finish();
  return 0;
}
