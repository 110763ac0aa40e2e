// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "parallel/error.hpp"

namespace mensura::divergence {

using parallel::Error;
using parallel::ExitCode;

namespace {

constexpr std::int64_t tree_dimensions = 32;

std::string place(const SampleSet& set) {
  return fmt::format("'{}' ({})", set.name, describe(set));
}

std::optional<Error> problem_with(const Problem& problem, const Request& request,
                                  const std::vector<SetSize>& sizes) {
  const SampleSet& p = problem.sets[request.of[0]];
  const SampleSet& q = problem.sets[request.of[1]];
  const SetSize& size_p = sizes[request.of[0]];
  const SetSize& size_q = sizes[request.of[1]];
  for (const auto& [set, size] : {std::pair(&p, &size_p), std::pair(&q, &size_q)}) {
    if (size->count >= 2) continue;
    return Error(ExitCode::input_data,
                 fmt::format("set {} holds {} point; a divergence needs at least 2 in each set",
                             place(*set), size->count));
  }
  if (size_p.dimension != size_q.dimension) {
    return Error(ExitCode::input_data,
                 fmt::format("sets {} with dimension {} and {} with dimension {} live in different "
                             "spaces; a divergence needs equal dimensions",
                             place(p), size_p.dimension, place(q), size_q.dimension));
  }
  if (request.method == Method::gaussian) return std::nullopt;
  if (size_p.dimension > tree_dimensions) {
    return Error(
        ExitCode::usage,
        fmt::format("{}: the sets have {} coordinates; {} covers at most {}. Reduce the "
                    "dimension of the data, or use method: gaussian",
                    request.where, size_p.dimension, name_of(request.method), tree_dimensions));
  }
  const int k = neighbours_of(request, size_p.count, size_q.count).back();
  const std::int64_t most = request.method == Method::wkv
                                ? (std::min(size_p.count, size_q.count) - 1) / 2
                                : size_p.count + size_q.count - 1;
  if (k <= most) return std::nullopt;
  return Error(ExitCode::usage,
               fmt::format("{}: asks for k = {} neighbours, but sets '{}' and '{}' hold {} and {} "
                           "points, which allow at most k = {}; lower `neighbours`",
                           request.where, k, p.name, q.name, size_p.count, size_q.count, most));
}

}  // namespace

std::vector<int> neighbours_of(const Request& request, std::int64_t count_p, std::int64_t count_q) {
  if (!request.neighbours.empty() || request.method == Method::gaussian) return request.neighbours;
  const double smaller = static_cast<double>(std::min(count_p, count_q));
  return {static_cast<int>(std::clamp(std::floor(std::sqrt(smaller)), 2.0, 4096.0))};
}

void check_requests(const Problem& problem, const std::vector<std::size_t>& requests,
                    const std::vector<SetSize>& sizes) {
  std::optional<ExitCode> code;
  std::vector<std::string> texts;
  for (const std::size_t index : requests) {
    const auto error = problem_with(problem, problem.requests[index], sizes);
    if (!error) continue;
    if (!code) code = error->code();
    if (std::find(texts.begin(), texts.end(), error->what()) == texts.end()) {
      texts.emplace_back(error->what());
    }
  }
  if (code) throw Error(*code, fmt::format("{}", fmt::join(texts, "\n")));
}

}  // namespace mensura::divergence
