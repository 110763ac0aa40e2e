// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "divergence/sampler.hpp"
#include "output/memory.hpp"

namespace mensura::divergence {

namespace {

output::Rows rows_of(const input::Rows& rows) {
  return {rows.start, rows.stop, rows.step};
}

output::PointBlock draw(const parallel::Communicator& comm, const SampleSet& set,
                        const std::function<void()>& poll) {
  const Sampler sampler(*set.law);
  const parallel::Stream stream(set.seed, "sample", set.name);
  output::PointBlock block;
  block.total = set.count;
  block.dimension = sampler.dimension();
  block.first =
      set.count / comm.size() * comm.rank() + set.count % comm.size() * comm.rank() / comm.size();
  const std::int64_t next = set.count / comm.size() * (comm.rank() + 1) +
                            set.count % comm.size() * (comm.rank() + 1) / comm.size();
  const std::int64_t rows = next - block.first;
  output::check_memory(comm, rows * block.dimension * std::int64_t{sizeof(double)},
                       fmt::format("drawing the set '{}'", set.name));
  parallel::agree(comm,
                  [&] { block.values.resize(static_cast<std::size_t>(rows * block.dimension)); });
  const auto d = static_cast<std::size_t>(block.dimension);
  // A piece of 2^18 points takes well under a second for every law.
  const std::int64_t piece = std::int64_t{1} << 18U;
  const std::int64_t pieces = comm.max((rows + piece - 1) / piece);
  for (std::int64_t p = 0; p < pieces; ++p) {
    for (std::int64_t row = p * piece; row < std::min(rows, (p + 1) * piece); ++row) {
      sampler.draw(stream, static_cast<std::uint64_t>(block.first + row),
                   std::span(block.values).subspan(static_cast<std::size_t>(row) * d, d));
    }
    poll();
  }
  parallel::agree(comm, [&] {
    const auto bad = std::find_if_not(block.values.begin(), block.values.end(),
                                      [](double x) { return std::isfinite(x); });
    if (bad == block.values.end()) return;
    const auto at = bad - block.values.begin();
    throw parallel::Error(
        parallel::ExitCode::usage,
        fmt::format("set '{}': row {}, column {} drawn from the law {} is not a finite number; its "
                    "tails leave the range of doubles, choose milder parameters",
                    set.name, block.first + at / block.dimension, at % block.dimension,
                    name_of(*set.law)));
  });
  return block;
}

}  // namespace

std::string describe(const SampleSet& set) {
  if (set.file) return fmt::format("{}:{}", set.file->file.string(), set.file->dataset);
  return "generated " + name_of(*set.law);
}

SetSize size_of(const parallel::Communicator& comm, const SampleSet& set) {
  if (set.law) return {set.count, dimension_of(*set.law)};
  const auto info = output::inspect(comm, set.file->file.string(), set.file->dataset);
  const std::int64_t count = output::count_points(info, rows_of(set.file->rows));
  return {count, info.shape.size() == 2 ? info.shape[1] : 1};
}

output::PointBlock load_points(const parallel::Communicator& comm, const SampleSet& set,
                               const std::function<void()>& poll) {
  if (set.law) return draw(comm, set, poll);
  return output::read_points(comm, set.file->file.string(), set.file->dataset,
                             rows_of(set.file->rows));
}

}  // namespace mensura::divergence
