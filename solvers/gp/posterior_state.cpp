// SPDX-License-Identifier: BSD-3-Clause
// The way of an unfinished posterior to a checkpoint and back: everything by global index.
#include <algorithm>

#include "gp/posterior.hpp"
#include "output/checkpoint.hpp"
#include "parallel/by_index.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

using linear::Eight;
using linear::EightVectors;

namespace {

constexpr const char* counts_name = "posterior/counts";
constexpr const char* small_name = "posterior/coupling";
constexpr const char* turn_name = "posterior/turn";
constexpr const char* iterations_name = "posterior/iterations";
constexpr const char* squares_name = "posterior/squares";
constexpr const char* exact_name = "posterior/exact";
constexpr std::size_t lanes = 8;
constexpr int fields = 2;  // numbers of a point: of u and of the second unknown

std::string name_of(const char* kind, std::size_t block) {
  return std::string("posterior/") + kind + "_" + std::to_string(block);
}

std::vector<double> flat(std::span<const Eight> values) {
  std::vector<double> result(lanes * values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    linear::store_loose(values[i], &result[lanes * i]);
  }
  return result;
}

std::vector<Eight> eights(std::span<const double> numbers) {
  std::vector<Eight> result(numbers.size() / lanes);
  alignas(64) double piece[lanes];
  for (std::size_t i = 0; i < result.size(); ++i) {
    std::copy_n(&numbers[lanes * i], lanes, piece);
    result[i] = linear::load(piece);
  }
  return result;
}

std::vector<std::uint64_t> numbered(std::int64_t first, std::int64_t count) {
  std::vector<std::uint64_t> ids(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::uint64_t>(first) + i;
  return ids;
}

// Writes rows of `width` numbers that lie in the block distribution of `total` rows.
void write(output::CheckpointWriter& checkpoint, const parallel::Communicator& comm,
           const std::string& name, std::span<const double> block, std::int64_t width,
           std::int64_t total) {
  const parallel::Blocks blocks{total, comm.size()};
  checkpoint.distributed(name, block, blocks.begin(comm.rank()) * width, total * width);
}

std::vector<double> read(const output::CheckpointReader& checkpoint,
                         const parallel::Communicator& comm, const std::string& name,
                         std::int64_t width) {
  const parallel::Blocks blocks{checkpoint.extent(name) / width, comm.size()};
  return checkpoint.reals(name, blocks.begin(comm.rank()) * width,
                          blocks.size(comm.rank()) * width);
}

}  // namespace

std::int64_t Posterior::checkpoint_bytes() const {
  const auto points = pattern_.counts[0] + pattern_.counts[1] + pattern_.counts[2];
  const auto blocks = static_cast<std::int64_t>(modes_.size() + samples_.size());
  return 8 * (points * fields * 8 * static_cast<std::int64_t>(range_.size()) +
              targets_.total * (8 * blocks + 2) + 2 * static_cast<std::int64_t>(coupling_.size())) +
         (1 << 16);
}

void Posterior::save(output::CheckpointWriter& checkpoint) const {
  const std::vector<std::int64_t> counts{done_, rank_, static_cast<std::int64_t>(range_.size()),
                                         static_cast<std::int64_t>(modes_.size()),
                                         static_cast<std::int64_t>(samples_.size())};
  checkpoint.replicated(counts_name, counts);
  checkpoint.replicated(iterations_name, report_.iterations);
  if (!coupling_.empty()) checkpoint.replicated(small_name, coupling_);
  if (!turn_.empty()) checkpoint.replicated(turn_name, turn_);
  const std::int64_t points = pattern_.counts[0] + pattern_.counts[1] + pattern_.counts[2];
  const std::vector<std::uint64_t> ids(pattern_.ids.begin(), pattern_.ids.begin() + pattern_.own);
  for (std::size_t b = 0; b < range_.size(); ++b) {
    constexpr std::size_t width = fields * lanes;
    std::vector<double> padded(ids.size() * width, 0.0);
    for (std::size_t i = 0; i < value_rows_.size(); ++i) {
      const auto place =
          value_rows_[i].point * width + static_cast<std::size_t>(value_rows_[i].field) * lanes;
      linear::store_loose(range_[b][i], &padded[place]);
    }
    write(checkpoint, comm_, name_of("range", b),
          parallel::to_blocks(comm_, padded, static_cast<int>(width), ids, points), width, points);
  }
  const auto targets = numbered(targets_.first, targets_.own);
  const auto at_targets = [&](const std::string& name, std::span<const double> values, int width) {
    write(checkpoint, comm_, name,
          parallel::to_blocks(comm_, values, width, targets, targets_.total), width,
          targets_.total);
  };
  if (targets_.total == 0) return;
  for (std::size_t b = 0; b < modes_.size(); ++b)
    at_targets(name_of("modes", b), flat(modes_[b]), 8);
  for (std::size_t b = 0; b < samples_.size(); ++b) {
    at_targets(name_of("samples", b), flat(samples_[b]), 8);
  }
  at_targets(squares_name, squares_, 1);
  if (!by_modes()) at_targets(exact_name, exact_, 1);
}

bool PosteriorState::in(const output::CheckpointReader& checkpoint) {
  return checkpoint.has(counts_name);
}

PosteriorState PosteriorState::load(const parallel::Communicator& comm,
                                    const output::CheckpointReader& checkpoint) {
  const auto counts = checkpoint.integers(counts_name);
  parallel::require(counts.size() == 5, "the checkpoint has the shape that save() gave it");
  PosteriorState state;
  state.done = counts[0];
  state.rank = counts[1];
  state.iterations = checkpoint.integers(iterations_name);
  if (checkpoint.has(small_name)) state.coupling = checkpoint.reals(small_name);
  if (checkpoint.has(turn_name)) state.turn = checkpoint.reals(turn_name);
  const auto blocks = [&](const char* kind, std::int64_t count, std::int64_t width) {
    std::vector<std::vector<double>> result;
    for (std::size_t b = 0; b < static_cast<std::size_t>(count); ++b) {
      if (!checkpoint.has(name_of(kind, b))) break;  // no targets
      result.push_back(read(checkpoint, comm, name_of(kind, b), width));
    }
    return result;
  };
  state.range = blocks("range", counts[2], fields * 8);
  state.modes = blocks("modes", counts[3], 8);
  state.samples = blocks("samples", counts[4], 8);
  if (checkpoint.has(squares_name)) state.squares = read(checkpoint, comm, squares_name, 1);
  if (checkpoint.has(exact_name)) state.exact = read(checkpoint, comm, exact_name, 1);
  return state;
}

void Posterior::resume(const PosteriorState& state) {
  done_ = state.done;
  rank_ = state.rank;
  report_.iterations = state.iterations;
  coupling_ = state.coupling;
  turn_ = state.turn;
  const std::int64_t points = pattern_.counts[0] + pattern_.counts[1] + pattern_.counts[2];
  const std::vector<std::uint64_t> ids(pattern_.ids.begin(), pattern_.ids.begin() + pattern_.own);
  for (const std::vector<double>& block : state.range) {
    constexpr std::size_t width = fields * lanes;
    const auto padded = parallel::fetch_rows(comm_, block, points, static_cast<int>(width), ids);
    std::vector<double> values;
    for (const ValueRow& value : value_rows_) {
      const double* from =
          &padded[value.point * width + static_cast<std::size_t>(value.field) * lanes];
      values.insert(values.end(), from, from + lanes);
    }
    range_.push_back(eights(values));
  }
  const auto targets = numbered(targets_.first, targets_.own);
  const auto at_targets = [&](std::span<const double> block, int width) {
    return parallel::fetch_rows(comm_, block, targets_.total, width, targets);
  };
  for (const auto& block : state.modes) modes_.push_back(eights(at_targets(block, 8)));
  for (const auto& block : state.samples) samples_.push_back(eights(at_targets(block, 8)));
  if (targets_.total == 0) return;
  squares_ = at_targets(state.squares, 1);
  if (!by_modes()) exact_ = at_targets(state.exact, 1);
}

}  // namespace mensura::gp
