// SPDX-License-Identifier: BSD-3-Clause
#include "transport/support_start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/exchange.hpp"
#include "parallel/random.hpp"
#include "transport/hierarchy.hpp"
#include "transport/regularisation.hpp"

namespace mensura::transport {

namespace {

// Half of the side of the box in which a point of a cloud is moved, in mean distances between
// neighbours.
constexpr double cloud_share = 0.05;
// Targets are so far away from the ends of their parts, relative to these, that rounding does not
// lead them to a neighbour.
constexpr double margin = 1e-6;

// Sums of the masses up to and with every own point, and before them: exact ones, rounded, so that
// they are the same on any number of ranks.
std::vector<double> running_masses(const parallel::Communicator& comm, const Marginal& marginal) {
  parallel::ExactSum own;
  for (const double mass : marginal.mass) own.add(mass);
  const parallel::ExactSum::Words words = own.words();
  const auto all = comm.all_gather(std::span(&words, 1));
  parallel::ExactSum sum;
  for (int rank = 0; rank < comm.rank(); ++rank) {
    sum.add(parallel::ExactSum::from_words(all[static_cast<std::size_t>(rank)]));
  }
  std::vector<double> result{sum.value()};
  for (const double mass : marginal.mass) {
    sum.add(mass);
    result.push_back(sum.value());
  }
  return result;
}

// The last of the sums over all ranks: exactly what the last point ends with.
double end_of(const parallel::Communicator& comm, const std::vector<double>& sums) {
  return comm.max(sums.back());
}

}  // namespace

Marginal support_marginal(const parallel::Communicator& comm, const std::string& name,
                          const Marginal& like, std::int64_t count, std::uint64_t seed,
                          const std::function<void()>& poll) {
  const auto d = static_cast<std::size_t>(like.dimension);
  const double spacing = spacing_of(comm, like, cloud_of(comm, like), poll);
  if (!(spacing > 0)) {
    throw parallel::Error(parallel::ExitCode::input_data,
                          fmt::format("all points of '{}' coincide, so that '{}' has nowhere to "
                                      "begin; take another marginal for like",
                                      like.name, name));
  }
  std::vector<double> half(d, cloud_share * spacing);
  for (std::size_t j = 0; like.grid && j < d; ++j) half[j] = like.grid->spacing[j] / 2;
  const parallel::Stream stream(seed, "transport", "free support");
  const std::vector<double> sums = running_masses(comm, like);
  const double step = end_of(comm, sums) / static_cast<double>(count);
  const auto target = [&](std::int64_t i) {
    const double u = stream.uniform(static_cast<std::uint64_t>(i), 0);
    return (static_cast<double>(i) + margin + (1 - 2 * margin) * u) * step;
  };
  // The targets that fall between this rank's sums, ascending.
  const auto guess = static_cast<std::int64_t>(std::floor(sums.front() / step));
  std::int64_t i = std::clamp<std::int64_t>(guess - 1, 0, count);
  while (i < count && target(i) < sums.front()) ++i;
  const parallel::Blocks blocks{count, comm.size()};
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()), 0);
  std::vector<double> places;
  for (std::size_t point = 0; i < count && target(i) < sums.back(); ++i) {
    while (!(target(i) < sums[point + 1])) ++point;
    for (std::size_t j = 0; j < d; ++j) {
      const double u = stream.uniform(static_cast<std::uint64_t>(i), j + 1);
      places.push_back(like.coordinates[point * d + j] + (2 * u - 1) * half[j]);
    }
    counts[static_cast<std::size_t>(blocks.owner(i))] += like.dimension;
  }
  Marginal result;
  result.name = name;
  result.dimension = like.dimension;
  result.total = result.input_total = count;
  result.total_mass = result.input_mass = like.total_mass;
  // Ranks hold ascending blocks of the input: what arrives is in order.
  result.coordinates = parallel::exchange<double>(comm, places, counts).data;
  const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
  parallel::agree(comm, [&] {
    parallel::require(result.coordinates.size() == own * d, "every point has its place");
  });
  result.mass.assign(own, like.total_mass / static_cast<double>(count));
  result.ids.resize(own);
  std::iota(result.ids.begin(), result.ids.end(),
            static_cast<std::uint64_t>(blocks.begin(comm.rank())));
  return result;
}

}  // namespace mensura::transport
