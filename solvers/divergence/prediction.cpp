// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "divergence/limits.hpp"
#include "output/memory.hpp"
#include "points/memory.hpp"

namespace mensura::divergence {

namespace {

// Bytes of a question to another rank beside its coordinates, and of one answered neighbour.
constexpr std::int64_t question_bytes = 24;
constexpr std::int64_t neighbour_bytes = 16;
// The histograms of one pass with the default list, both centrings, and the rest of its state.
constexpr std::int64_t pass_state_bytes = 320 << 10;

int largest_neighbours(const Problem& problem, std::size_t p, std::size_t q,
                       const std::vector<SetSize>& sizes) {
  int largest = 0;
  for (const Request& request : problem.requests) {
    if (std::min(request.of[0], request.of[1]) != p || std::max(request.of[0], request.of[1]) != q)
      continue;
    if (request.method == Method::gaussian) continue;
    const int k = neighbours_of(request, sizes[p].count, sizes[q].count).back();
    largest = std::max(largest, request.method == Method::wkv ? 2 * k : k);
  }
  return largest;
}

}  // namespace

run::Prediction predict(const Problem& problem, const parallel::Communicator& comm) {
  std::vector<SetSize> sizes;
  run::Prediction prediction;
  for (const SampleSet& set : problem.sets) {
    sizes.push_back(size_of(comm, set));
    prediction.lines.push_back(fmt::format("set '{}': {} points, dimension {}, from {}", set.name,
                                           sizes.back().count, sizes.back().dimension,
                                           describe(set)));
  }
  std::vector<std::size_t> all(problem.requests.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  check_requests(problem, all, sizes);
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (const Request& request : problem.requests) {
    pairs.emplace_back(std::min(request.of[0], request.of[1]),
                       std::max(request.of[0], request.of[1]));
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  for (const auto& [p, q] : pairs) {
    const std::int64_t points = sizes[p].count + sizes[q].count;
    const auto dimension = static_cast<int>(sizes[p].dimension);
    const int k = largest_neighbours(problem, p, q, sizes);
    prediction.checkpoint_bytes += pass_state_bytes;
    if (k == 0) {
      prediction.memory_bytes =
          std::max(prediction.memory_bytes, 2 * 8 * dimension * points / comm.size());
      continue;
    }
    const auto memory =
        points::predict_memory(points, dimension, comm.size(), k, problem.remote_buffer_bytes);
    prediction.memory_bytes = std::max(prediction.memory_bytes, memory.bytes_per_rank);
    const double questions = memory.remote_factor * static_cast<double>(points);
    const double moved = comm.size() > 1 ? static_cast<double>(points) * (8 * dimension + 8) : 0.0;
    // About half of a question's answer list comes back.
    prediction.communication_bytes += static_cast<std::int64_t>(
        moved + questions * static_cast<double>(8 * dimension + question_bytes +
                                                neighbour_bytes * (k / 2 + 1)));
    prediction.lines.push_back(
        fmt::format("sets {}, {}: {} points, k = {}, {:.0f} bytes per point, {:.2g} questions to "
                    "other ranks per point",
                    problem.sets[p].name, problem.sets[q].name, points, k, memory.bytes_per_point,
                    memory.remote_factor));
  }
  return prediction;
}

}  // namespace mensura::divergence
