// SPDX-License-Identifier: BSD-3-Clause
// Sums over ranks give bitwise the numbers of one rank, whatever the distribution and order of the
// points.
#include <gtest/gtest.h>

#include <cmath>

#include "divergence/moments.hpp"
#include "divergence/one_step.hpp"
#include "divergence/wkv.hpp"
#include "parallel/communicator.hpp"
#include "points.hpp"

namespace mensura::divergence::test {
namespace {

struct State {
  CountHistograms histograms{{4, 8, 16, 32}};
  DimensionSums dimension;
  WkvSums wkv{5, 3};
  MeanSums mean{3};
};

void add(State& state, const TwoSets& sets, std::int64_t i) {
  const auto list = neighbours_of(sets, i);
  state.histograms.add(sets.side(i), counts_of(sets, list, state.histograms.neighbours()));
  state.dimension.add(squares_of(list, 32));
  // Any two distances do for the sums' sake.
  state.wkv.add(sets.side(i), list[40].distance2, list[50].distance2, list[60].distance2,
                list[70].distance2);
  state.mean.add(sets.point(i));
}

TEST(Reduction, EveryResultIsBitwiseThatOfOneRank) {
  const auto comm = parallel::Communicator::world();
  const TwoSets sets = make_points(90, 70, 3, true);
  State whole, part;
  for (std::int64_t i = 0; i < sets.size(); ++i) add(whole, sets, i);
  for (std::int64_t i = sets.size(); i-- > 0;) {
    if (i % comm.size() == comm.rank()) add(part, sets, i);
  }
  comm.sum(part.histograms.words());
  parallel::reduce(comm, std::span(&part.dimension.sum, 1));
  part.dimension.points = comm.sum(part.dimension.points);
  parallel::reduce(comm, part.wkv.sums());
  comm.sum(part.wkv.counts());
  parallel::reduce(comm, part.mean.sums());

  EXPECT_EQ(part.dimension.estimate(), whole.dimension.estimate());
  EXPECT_EQ(part.mean.mean(160), whole.mean.mean(160));
  const Estimate a = part.wkv.estimate(Quantity::jeffreys),
                 b = whole.wkv.estimate(Quantity::jeffreys);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.standard_error, b.standard_error);
  for (const std::string& name : quantity_names()) {
    const Estimate e = one_step(*quantity_from(name), 0.4, part.histograms, 3, 3);
    const Estimate f = one_step(*quantity_from(name), 0.4, whole.histograms, 3, 3);
    EXPECT_EQ(e.value, f.value) << name;
    EXPECT_EQ(e.standard_error, f.standard_error) << name;
    EXPECT_EQ(e.bias_bar, f.bias_bar) << name;
    EXPECT_EQ(e.weights, f.weights) << name;
  }
}

}  // namespace
}  // namespace mensura::divergence::test
