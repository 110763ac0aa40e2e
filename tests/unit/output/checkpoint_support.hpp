// SPDX-License-Identifier: BSD-3-Clause
// A small state for the checkpoint tests: values by global index, written and compared.
#pragma once

#include <gtest/gtest.h>

#include <limits>

#include "output/checkpoint.hpp"
#include "support.hpp"

namespace mensura::test {

struct State {
  std::int64_t n;
  int variant = 0;

  std::vector<double> reals(std::int64_t first, std::int64_t count) const {
    std::vector<double> values;
    for (std::int64_t i = first; i < first + count; ++i) {
      values.push_back(1.0 / static_cast<double>(i + 1) + variant);
    }
    return values;
  }
  std::vector<std::int64_t> integers(std::int64_t first, std::int64_t count) const {
    std::vector<std::int64_t> values;
    for (std::int64_t i = first; i < first + count; ++i) values.push_back(i * i - variant);
    return values;
  }
  std::string text() const { return std::string("history\n\0\xff", 10) + std::to_string(variant); }
  std::vector<double> special() const {
    return {-0.0, std::numeric_limits<double>::infinity(),
            std::numeric_limits<double>::denorm_min()};
  }
};

inline void add(output::CheckpointWriter& writer, const parallel::Communicator& comm,
                const State& state) {
  const Part part(comm, state.n);
  writer.replicated("steps", std::vector<std::int64_t>{7, -1, std::int64_t{1} << 62});
  writer.replicated("special", state.special());
  writer.replicated("nothing", std::vector<double>{});
  writer.replicated("log/text", state.text());
  writer.distributed("field/u", state.reals(part.first, part.count()), part.first, state.n);
  writer.distributed("field/count", state.integers(part.first, part.count()), part.first, state.n);
  // All of it on the last rank.
  const bool last = comm.rank() == comm.size() - 1;
  writer.distributed("lopsided", state.reals(0, last ? 5 : 0), last ? 0 : 5, 5);
}

inline void save(const parallel::Communicator& comm, const std::string& folder, std::int64_t step,
                 const State& state) {
  output::CheckpointWriter writer(comm, folder, step, 16 * state.n);
  add(writer, comm, state);
  writer.commit();
}

inline void expect_state(const parallel::Communicator& comm, const std::string& path,
                         const State& state) {
  const output::CheckpointReader reader(comm, path);
  const Part part(comm, state.n);
  EXPECT_TRUE(reader.has("steps"));
  EXPECT_FALSE(reader.has("step"));
  EXPECT_EQ(reader.integers("steps"), (std::vector<std::int64_t>{7, -1, std::int64_t{1} << 62}));
  EXPECT_EQ(reader.reals("special"), state.special());
  EXPECT_TRUE(reader.reals("nothing").empty());
  EXPECT_EQ(reader.text("log/text"), state.text());
  EXPECT_EQ(reader.extent("field/u"), state.n);
  EXPECT_EQ(reader.reals("field/u", part.first, part.count()),
            state.reals(part.first, part.count()));
  EXPECT_EQ(reader.integers("field/count", part.first, part.count()),
            state.integers(part.first, part.count()));
  EXPECT_EQ(reader.reals("lopsided"), state.reals(0, 5));
}

inline std::string newest(const parallel::Communicator& comm, const std::string& folder,
                          std::vector<std::string>* why = nullptr) {
  std::vector<std::string> passed_over;
  const std::string path = output::newest_verified_checkpoint(comm, folder, passed_over);
  if (why != nullptr) *why = passed_over;
  return path;
}

}  // namespace mensura::test
