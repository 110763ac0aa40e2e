// SPDX-License-Identifier: BSD-3-Clause
// Agreement with the serial reference implementation on the same points
// (tests/reference/divergence).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "divergence/gaussian.hpp"
#include "divergence/nnr.hpp"
#include "divergence/one_step.hpp"
#include "divergence/wkv.hpp"
#include "points.hpp"

namespace mensura::divergence::test {
namespace {

using nlohmann::json;

// The reference takes binomials and gamma ratios from exponentials of log-gamma differences, good
// to about 1e-13; 1e-10 is the agreement asked for and leaves room for the condition (1e3) of the 7
// x 7 covariance.
constexpr double tolerance = 1e-10;

const json& reference() {
  static const json data = [] {
    std::ifstream file(MENSURA_REFERENCE);
    return json::parse(file);
  }();
  return data;
}

void expect_close(double actual, double expected, const std::string& what) {
  EXPECT_NEAR(actual, expected, tolerance * std::max(1.0, std::abs(expected))) << what;
}

void expect_close(const std::vector<double>& actual, const json& expected,
                  const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    expect_close(actual[i], expected[i].get<double>(), what + "[" + std::to_string(i) + "]");
  }
}

void expect_tables(const SideTables& tables, const json& expected, const std::string& what) {
  for (const auto& [k, entry] : expected.items()) {
    const std::size_t i = k == "8" ? 0 : 3;
    expect_close(tables.term[i], entry["term"], what + " term " + k);
    expect_close(tables.rest[i], entry["rest"], what + " rest " + k);
    expect_close(tables.variance[i], entry["variance"], what + " variance " + k);
  }
}

TEST(Reference, CountTables) {
  for (const json& entry : reference()["tables"]) {
    const std::int64_t n = entry["n"], m = entry["m"];
    const double order = entry["order"];
    const CountTables kl = count_tables(Quantity::kl, 0, n, m, default_neighbours);
    const CountTables j = count_tables(Quantity::renyi, order, n, m, default_neighbours);
    expect_tables(kl.x, entry["kl_x"], "kl x");
    expect_tables(kl.y, entry["kl_y"], "kl y");
    expect_tables(j.x, entry["j_x"], "J x");
    expect_tables(j.y, entry["j_y"], "J y");
  }
}

struct Pass {
  TwoSets sets;
  CountHistograms histograms{default_neighbours};
  DimensionSums dimension;
  RatioCounts ratios{24}, half_ratios{12};
  std::int64_t checksum_x = 0, checksum_y = 0;
};

Pass pass(const json& entry) {
  Pass p;
  p.sets = make_points(entry["n"], entry["m"], entry["d"], entry["duplicates"]);
  for (std::int64_t i = 0; i < p.sets.size(); ++i) {
    const auto list = neighbours_of(p.sets, i);
    const Side side = p.sets.side(i);
    const auto counts = counts_of(p.sets, list, default_neighbours);
    p.histograms.add(side, counts);
    for (const int count : counts) (side == Side::x ? p.checksum_x : p.checksum_y) += count;
    p.ratios.add(side, counts_of(p.sets, list, {24})[0]);
    p.half_ratios.add(side, counts_of(p.sets, list, {12})[0]);
    p.dimension.add(squares_of(list, default_neighbours.back()));
  }
  return p;
}

void expect_profile(const Profile& p, const json& expected, const std::string& what) {
  expect_close(p.value, expected["profile"], what + " profile");
  expect_close(p.covariance, expected["covariance"], what + " covariance");
  expect_close(p.ball_noise, expected["ball_noise"], what + " ball noise");
  expect_close(p.saturation, expected["saturation"], what + " saturation");
}

void expect_one_step(const Pass& p, const json& entry, Quantity quantity, const std::string& name) {
  const json& expected = entry[name];
  const double order = entry["order"];
  const int d = entry["d"];
  const int intrinsic = intrinsic_dimension(p.dimension.estimate(), d);
  expect_profile(profile(quantity, order, p.histograms), expected, name);
  const Estimate e = one_step(quantity, order, p.histograms, d, intrinsic);
  expect_close(e.value, expected["value"], name + " value");
  expect_close(e.standard_error, expected["standard_error"], name + " standard error");
  expect_close(e.bias_bar, expected["bias_bar"], name + " bias bar");
  expect_close(e.unextrapolated, expected["unextrapolated"], name + " unextrapolated");
  EXPECT_EQ(e.flags, expected["flags"].get<std::string>()) << name;
  const Estimate high = one_step(quantity, order, p.histograms, 12, 12);
  EXPECT_NE(high.flags.find('H'), std::string::npos);
  expect_close({high.value, high.standard_error, high.bias_bar}, expected["high_dimension"],
               name + " in high dimension");
}

TEST(Reference, OneStepOnTheSamePoints) {
  for (const json& entry : reference()["cases"]) {
    SCOPED_TRACE(entry["d"].dump() + (entry["duplicates"] ? " with duplicates" : ""));
    const Pass p = pass(entry);
    EXPECT_EQ(p.checksum_x, entry["checksum_x"].get<std::int64_t>());
    EXPECT_EQ(p.checksum_y, entry["checksum_y"].get<std::int64_t>());
    expect_close(p.dimension.estimate(), entry["mle"], "intrinsic dimension");
    EXPECT_EQ(intrinsic_dimension(p.dimension.estimate(), entry["d"]),
              entry["intrinsic"].get<int>());
    expect_one_step(p, entry, Quantity::kl, "kl");
    expect_one_step(p, entry, Quantity::renyi, "renyi");
  }
}

TEST(Reference, NearestNeighbourRatios) {
  for (const json& entry : reference()["cases"]) {
    const Pass p = pass(entry);
    const json& expected = entry["nnr"];
    expect_close(nnr_value(Quantity::kl, 0, p.ratios), expected["kl"], "nnr kl");
    expect_close(nnr_value(Quantity::renyi, entry["order"], p.ratios), expected["renyi"],
                 "nnr renyi");
  }
}

TEST(Reference, FixedKDistances) {
  for (const json& entry : reference()["cases"]) {
    if (!entry.contains("wkv")) continue;
    const TwoSets sets = make_points(entry["n"], entry["m"], entry["d"], entry["duplicates"]);
    WkvSums sums(5, sets.d);
    for (std::int64_t i = 0; i < sets.size(); ++i) {
      std::vector<double> own, other;
      for (const auto& neighbour : neighbours_of(sets, i)) {
        const bool same = sets.side(static_cast<std::int64_t>(neighbour.id)) == sets.side(i);
        (same ? own : other).push_back(neighbour.distance2);
      }
      sums.add(sets.side(i), own[4], other[4], own[9], other[9]);
    }
    expect_close(sums.estimate(Quantity::kl).value, entry["wkv"]["kl"], "wkv");
  }
}

Moments moments_of(const TwoSets& sets, std::int64_t begin, std::int64_t end) {
  MeanSums first(sets.d);
  for (std::int64_t i = begin; i < end; ++i) first.add(sets.point(i));
  ScatterSums second(first.mean(end - begin));
  for (std::int64_t i = begin; i < end; ++i) second.add(sets.point(i));
  return second.moments(end - begin);
}

TEST(Reference, GaussianFromMomentsAndWhitening) {
  for (const json& entry : reference()["cases"]) {
    TwoSets sets = make_points(entry["n"], entry["m"], entry["d"], entry["duplicates"]);
    const Moments p = moments_of(sets, 0, sets.n);
    const Moments q = moments_of(sets, sets.n, sets.size());
    const json& expected = entry["gaussian"];
    expect_close(GaussianFit(Quantity::kl, 0, p, q).value(), expected["kl"], "gaussian kl");
    expect_close(GaussianFit(Quantity::renyi, entry["order"], p, q).value(), expected["renyi"],
                 "gaussian renyi");
    const Whitening whitening(moments_of(sets, 0, sets.size()));
    EXPECT_TRUE(whitening.warning().empty());
    whitening.apply(sets.coordinates);
    const auto first = sets.point(0), last = sets.point(sets.size() - 1);
    expect_close({first.begin(), first.end()}, entry["whitened_first"], "first whitened point");
    expect_close({last.begin(), last.end()}, entry["whitened_last"], "last whitened point");
  }
}

}  // namespace
}  // namespace mensura::divergence::test
