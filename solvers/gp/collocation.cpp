// SPDX-License-Identifier: BSD-3-Clause
#include "gp/collocation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gp/averages.hpp"
#include "gp/file_points.hpp"
#include "gp/grid_points.hpp"
#include "gp/pieces_of_work.hpp"
#include "gp/random_points.hpp"
#include "output/memory.hpp"
#include "parallel/by_index.hpp"

namespace mensura::gp {

namespace {

using parallel::Blocks;
using parallel::Error;
using parallel::ExitCode;
using Poll = std::function<void()>;

constexpr std::size_t boundary = 0;
constexpr std::size_t interior = 1;
constexpr std::size_t data = 2;

const Domain& domain_for(const Problem& problem, const char* layout) {
  if (problem.domain) return *problem.domain;
  throw Error(ExitCode::usage,
              fmt::format("domain: it is missing; the layout {} makes points inside it", layout));
}

// A random layout in one dimension has the two ends as its boundary, whatever it asks for.
std::int64_t random_boundary_count(const Domain& domain, const RandomLayout& layout) {
  return dimension_of(domain) == 1 ? 2 : layout.boundary;
}

// Whose number of coordinates all files must have, and in what words.
struct Expected {
  std::int64_t dimension = 0;
  std::string because;
};

void check_dimension(const FileSize& size, const input::FileSource& source,
                     const Expected& expected) {
  if (size.dimension == expected.dimension) return;
  throw Error(ExitCode::input_data,
              fmt::format("{} has {} column{}, but {}: one column per coordinate is needed",
                          dataset_name(source), size.dimension, size.dimension == 1 ? "" : "s",
                          expected.because));
}

void add_files(const parallel::Communicator& comm, const Problem& problem, const FileLayout& layout,
               CollocationSize& size, Expected& expected) {
  const auto inner = file_size(comm, layout.interior);
  if (!problem.domain) {
    expected = {inner.dimension,
                fmt::format("{} has {}", dataset_name(layout.interior), inner.dimension)};
  }
  check_dimension(inner, layout.interior, expected);
  const auto outer = file_size(comm, layout.boundary);
  check_dimension(outer, layout.boundary, expected);
  size.counts = {outer.count, inner.count, 0};
}

void add_grid(const Problem& problem, const GridLayout& layout, CollocationSize& size) {
  const GridPoints grid(domain_for(problem, "grid"), layout);
  size.counts = {grid.boundary_count(), grid.estimated_interior(), 0};
  size.exact = grid.plain();
}

void add_random(const Problem& problem, const RandomLayout& layout, CollocationSize& size) {
  const auto& domain = domain_for(problem, "random");
  size.counts = {random_boundary_count(domain, layout), layout.interior, 0};
  if (size.counts[interior] < 1 || size.counts[boundary] < 1) {
    throw Error(ExitCode::usage,
                fmt::format("points: {} interior and {} boundary points; at least one of each is "
                            "needed",
                            layout.interior, layout.boundary));
  }
}

// Prediction points: of a grid those outside the domain too.
std::int64_t target_count(const parallel::Communicator& comm, const Problem& problem,
                          const CollocationSize& size, const Expected& expected) {
  if (problem.predict.points) {
    const auto points = file_size(comm, *problem.predict.points);
    check_dimension(points, *problem.predict.points, expected);
    return points.count;
  }
  if (problem.predict.grid.empty()) return size.counts[0] + size.counts[1] + size.counts[2];
  double count = 1;
  for (const std::int64_t side : problem.predict.grid) count *= static_cast<double>(side);
  return static_cast<std::int64_t>(std::min(count, 0x1p62));
}

// Coordinates of the points [begin, end) of this rank's block, made one by one.
template <class Make>
std::vector<double> make_block(const parallel::Communicator& comm, std::int64_t count,
                               int dimension, const Poll& poll, Make make) {
  const Blocks blocks{count, comm.size()};
  std::vector<double> points;
  parallel::agree(comm, [&] {
    points.reserve(static_cast<std::size_t>(blocks.size(comm.rank()) * dimension));
  });
  in_pieces(comm, blocks.begin(comm.rank()), blocks.begin(comm.rank() + 1), poll, [&](auto i) {
    const Coordinates point = make(i);
    points.insert(points.end(), point.begin(), point.begin() + dimension);
  });
  return points;
}

using Parts = std::array<std::vector<double>, 3>;  // this rank's block of every kind

Parts make_grid(const parallel::Communicator& comm, const GridPoints& grid, PointSet& set,
                const Poll& poll) {
  Parts parts;
  set.counts[boundary] = grid.boundary_count();
  parts[boundary] = make_block(comm, grid.boundary_count(), set.dimension, poll,
                               [&](auto i) { return grid.boundary_point(i); });
  parts[interior] = grid.interior_block(comm, set.counts[interior], poll);
  if (set.counts[interior] > 0) return parts;
  throw Error(ExitCode::usage,
              "points: no grid point lies half a spacing inside the domain; raise per_side");
}

Parts make_random(const parallel::Communicator& comm, const Domain& domain,
                  const RandomLayout& layout, PointSet& set, const Poll& poll) {
  const RandomPoints random(domain, layout.seed);
  Parts parts;
  parts[boundary] = make_block(comm, set.counts[boundary], set.dimension, poll, [&](auto i) {
    return random.boundary_point(static_cast<std::uint64_t>(i));
  });
  parts[interior] = make_block(comm, set.counts[interior], set.dimension, poll, [&](auto i) {
    return random.interior_point(static_cast<std::uint64_t>(i));
  });
  return parts;
}

Parts read_files(const parallel::Communicator& comm, const Problem& problem,
                 const FileLayout& layout) {
  const Domain* domain = problem.domain ? &*problem.domain : nullptr;
  Parts parts;
  parts[boundary] = read_file_points(comm, layout.boundary, PointKind::boundary, domain);
  parts[interior] = read_file_points(comm, layout.interior, PointKind::interior, domain);
  return parts;
}

// Every entry comes in blocks of its own; together they become blocks of the whole.
std::vector<double> read_data(const parallel::Communicator& comm, const Problem& problem,
                              const PointSet& set) {
  const Domain* domain = problem.domain ? &*problem.domain : nullptr;
  std::vector<double> points;
  std::vector<std::uint64_t> ids;
  std::int64_t before = 0;
  for (std::size_t entry = 0; entry < problem.data.size(); ++entry) {
    const auto part = read_file_points(comm, problem.data[entry].points, PointKind::data, domain);
    const Blocks blocks{set.data_counts[entry], comm.size()};
    parallel::agree(comm, [&] {
      points.insert(points.end(), part.begin(), part.end());
      for (std::int64_t i = 0; i < blocks.size(comm.rank()); ++i) {
        ids.push_back(static_cast<std::uint64_t>(before + blocks.begin(comm.rank()) + i));
      }
    });
    before += set.data_counts[entry];
  }
  if (problem.data.size() < 2) return points;
  return parallel::to_blocks(comm, points, set.dimension, ids, before);
}

// Appends the kinds one after another and numbers them.
void fill(const parallel::Communicator& comm, Parts parts, PointSet& set) {
  const auto d = static_cast<std::size_t>(set.dimension);
  parallel::agree(comm, [&] {
    std::size_t values = 0;
    for (const auto& part : parts) values += part.size();
    set.coordinates.reserve(values);
    set.ids.reserve(values / d);
  });
  std::int64_t before = 0;
  for (std::size_t kind = 0; kind < parts.size(); ++kind) {
    const auto part = std::exchange(parts[kind], {});
    set.coordinates.insert(set.coordinates.end(), part.begin(), part.end());
    const Blocks blocks{set.counts[kind], comm.size()};
    const std::int64_t first = before + blocks.begin(comm.rank());
    for (std::int64_t i = 0; i < blocks.size(comm.rank()); ++i) {
      set.ids.push_back(static_cast<std::uint64_t>(first + i));
    }
    before += set.counts[kind];
  }
}

// The set itself, and its largest kind a second time while it is moved in.
void check_memory(const parallel::Communicator& comm, const CollocationSize& size) {
  std::int64_t share = 0;
  std::int64_t largest = 0;
  for (const auto count : size.counts) {
    const std::int64_t mine = Blocks{count, comm.size()}.size(comm.rank());
    share += mine;
    largest = std::max(largest, mine);
  }
  const double bytes = 8.0 * (static_cast<double>(share) * (size.dimension + 1) +
                              static_cast<double>(largest) * size.dimension);
  output::check_memory(comm, static_cast<std::int64_t>(std::min(bytes, 0x1p62)),
                       "the set of points");
}

}  // namespace

CollocationSize collocation_size(const parallel::Communicator& comm, const Problem& problem) {
  CollocationSize size;
  Expected expected;
  if (problem.domain) {
    check_domain(*problem.domain);
    const int dimension = dimension_of(*problem.domain);
    expected = {dimension,
                fmt::format("the domain, {}, has {} dimension{}", describe(*problem.domain),
                            dimension, dimension == 1 ? "" : "s")};
  }
  if (const auto* grid = std::get_if<GridLayout>(&problem.layout)) add_grid(problem, *grid, size);
  if (const auto* random = std::get_if<RandomLayout>(&problem.layout)) {
    add_random(problem, *random, size);
  }
  if (const auto* files = std::get_if<FileLayout>(&problem.layout)) {
    add_files(comm, problem, *files, size, expected);
  }
  for (const auto& entry : problem.data) {
    const auto points = file_size(comm, entry.points);
    check_dimension(points, entry.points, expected);
    size.data_counts.push_back(points.count);
    size.counts[data] += points.count;
  }
  for (const auto& entry : problem.averages) {
    const auto centres = file_size(comm, entry.centres);
    check_dimension(centres, entry.centres, expected);
    size.averages += centres.count;
  }
  if (size.averages > Averages::most) {
    throw Error(ExitCode::too_large,
                fmt::format("data: {} averages, but at most {} can be conditioned on: each takes a "
                            "linear solve, and their covariance is a dense matrix; select fewer",
                            size.averages, Averages::most));
  }
  size.dimension = static_cast<int>(expected.dimension);
  size.targets = target_count(comm, problem, size, expected);
  return size;
}

PointSet make_points(const parallel::Communicator& comm, const Problem& problem,
                     const std::function<void()>& poll) {
  const auto size = collocation_size(comm, problem);
  check_memory(comm, size);
  PointSet set;
  set.dimension = size.dimension;
  set.counts = size.counts;
  set.data_counts = size.data_counts;
  Parts parts;
  if (const auto* grid = std::get_if<GridLayout>(&problem.layout)) {
    parts = make_grid(comm, GridPoints(*problem.domain, *grid), set, poll);
  } else if (const auto* random = std::get_if<RandomLayout>(&problem.layout)) {
    parts = make_random(comm, *problem.domain, *random, set, poll);
  } else {
    parts = read_files(comm, problem, std::get<FileLayout>(problem.layout));
  }
  parts[data] = read_data(comm, problem, set);
  fill(comm, std::move(parts), set);
  return set;
}

std::string name_of_point(const Problem& problem, const PointSet& points, std::uint64_t id) {
  const auto* files = std::get_if<FileLayout>(&problem.layout);
  auto row = static_cast<std::int64_t>(id);
  const auto in_file = [&](const input::FileSource& source) {
    return fmt::format("row {} of {}", file_row(source, row), dataset_name(source));
  };
  if (points.kind(id) == PointKind::boundary) {
    return files != nullptr ? in_file(files->boundary) : fmt::format("boundary point {}", row);
  }
  row -= points.counts[boundary];
  if (points.kind(id) == PointKind::interior) {
    return files != nullptr ? in_file(files->interior) : fmt::format("interior point {}", row);
  }
  row -= points.counts[interior];
  if (problem.data.size() == 1) return in_file(problem.data.front().points) + " (data)";
  for (std::size_t entry = 0; entry < points.data_counts.size(); ++entry) {
    if (row < points.data_counts[entry]) return in_file(problem.data[entry].points) + " (data)";
    row -= points.data_counts[entry];
  }
  return fmt::format("data point {}", row);
}

}  // namespace mensura::gp
