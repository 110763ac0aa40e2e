// SPDX-License-Identifier: BSD-3-Clause
#include "output/record.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::Record;
using output::Value;
using parallel::Communicator;

TEST(Value, KeepsOrderAndTypes) {
  Value value;
  value["z"] = 1;
  value["a"] = true;
  value["m"]["inner"] = "text";
  value["list"].append(0.5);
  value["list"].append(Value());
  value["z"] = 2;
  EXPECT_EQ(value.to_json(-1), R"({"z":2,"a":true,"m":{"inner":"text"},"list":[0.5,null]})");
  ASSERT_NE(value.find("m"), nullptr);
  EXPECT_NE(value.find("m")->find("inner"), nullptr);
  EXPECT_EQ(value.find("absent"), nullptr);
  EXPECT_EQ(Value(3).find("absent"), nullptr);
  EXPECT_EQ(Value(std::vector<double>{1.0, 0.1}).to_json(-1), "[1.0,0.1]");
  EXPECT_EQ(Value(std::vector<std::int64_t>{1, -2}).to_json(-1), "[1,-2]");
  EXPECT_EQ(Value(std::vector<std::string>{"a\"b"}).to_json(-1), R"(["a\"b"])");
  EXPECT_EQ(Value(std::int64_t{1} << 62).to_json(), "4611686018427387904");
  EXPECT_EQ(catch_error([] { Value(3)["a"]; }).code, 70);
  EXPECT_EQ(catch_error([] { Value("a").append(1); }).code, 70);
}

TEST(Value, WritesDoublesExactlyAndUnknownEndsAsNull) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Value(std::vector<double>{std::nan(""), infinity, -infinity}).to_json(-1),
            "[null,null,null]");
  double x = 0x1.921fb54442d18p-1060;
  for (int i = 0; i < 2000; ++i) {
    x *= -2.718281828459045 / (i % 3 == 0 ? 0.7 : 1.1);
    if (!std::isfinite(x)) x = 1e-300 * (i + 0.1);
    const double back = nlohmann::json::parse(Value(x).to_json()).get<double>();
    ASSERT_EQ(back, x);
  }
}

TEST(Value, SurvivesTextThatIsNotUtf8) {
  EXPECT_NO_THROW(EXPECT_TRUE(nlohmann::json::accept(Value("a\xff\xfe").to_json())));
}

TEST(Record, IsWrittenByOneRankAndReplaced) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  Record record;
  record.add_result({{"name", "kl"}, {"value", 0.25}});
  record.add_history({{"step", 1}});
  output::write_record(comm, folder / "run.json", record);
  record.add_result({{"name", "js"}, {"value", 0.125}});
  output::write_record(comm, folder / "run.json", record);
  const auto json = nlohmann::json::parse(slurp(folder / "run.json"));
  EXPECT_EQ(json["results"].size(), 2U);
  EXPECT_EQ(json["results"][1]["value"], 0.125);
  EXPECT_EQ(json["history"][0]["step"], 1);
  EXPECT_FALSE(std::filesystem::exists(folder / "run.json.new"));
  const Caught caught =
      catch_error([&] { output::write_record(comm, folder / "none/run.json", record); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, folder / "none/run.json" + ": cannot create: No such file or directory");
}

}  // namespace
