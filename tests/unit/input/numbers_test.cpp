// SPDX-License-Identifier: BSD-3-Clause
#include "input/numbers.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "input/common.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

TEST(Numbers, Integers) {
  const std::vector<std::pair<const char*, std::int64_t>> good{
      {"0", 0},
      {"-0", 0},
      {"+7", 7},
      {"42", 42},
      {"1e6", 1000000},
      {"2.5e3", 2500},
      {"-1E+2", -100},
      {"120e-1", 12},
      {"0e400", 0},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"9.223372036854775807e18", std::numeric_limits<std::int64_t>::max()}};
  for (const auto& [text, value] : good) {
    SCOPED_TRACE(text);
    EXPECT_EQ(parse_integer(text).value, value);
  }
  for (const char* text : {"",
                           "+",
                           "-",
                           "e5",
                           "1e",
                           "1e+",
                           "010",
                           "-07",
                           "00",
                           "0x1F",
                           "1.0",
                           "1.5e0",
                           "1e-1",
                           " 1",
                           "1 ",
                           "1_000",
                           "9223372036854775808",
                           "-9223372036854775809",
                           "1e19",
                           "1e999999999999",
                           "true",
                           "1f",
                           "--1",
                           "١"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(parse_integer(text).value.has_value());
  }
}

TEST(Numbers, Reals) {
  const std::vector<std::pair<const char*, double>> good{
      {"0", 0.0},
      {"1.", 1.0},
      {".5", 0.5},
      {"-1.25e-3", -1.25e-3},
      {"+2", 2.0},
      {"1E5", 1e5},
      {"0.1", 0.1},
      {"1e-08", 1e-8},
      {"5e-324", 5e-324},
      {"1.7976931348623157e308", std::numeric_limits<double>::max()},
      {"123456789012345678901234567890", 123456789012345678901234567890.0}};
  for (const auto& [text, value] : good) {
    SCOPED_TRACE(text);
    EXPECT_EQ(parse_real(text).value, value);
  }
  EXPECT_TRUE(std::signbit(*parse_real("-0").value));
  for (const char* text : {"", ".", "-.", "e1", "1e", "inf", "-inf", ".inf", "nan", ".NaN", "0x1p3",
                           "1e400", "-1e400", "1e-400", "1,5", "1d3", "01.5", "1.2.3", "1 "}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(parse_real(text).value.has_value());
  }
  EXPECT_EQ(parse_real("1,5").advice, "write 1.5");
  EXPECT_EQ(parse_real("-inf").advice, "numbers must be finite");
  EXPECT_EQ(parse_integer("-07").advice, "leading zeros are not allowed: write -7");
}

// What is written to resolved.yaml reads as the same double, bit for bit.
TEST(Numbers, RealsSurviveTheirText) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    double value = 0;
    const std::uint64_t bits = random();
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(parse_real(format_real(value)).value, value) << format_real(value);
  }
}

TEST(Numbers, Booleans) {
  EXPECT_EQ(parse_boolean("true").value, true);
  EXPECT_EQ(parse_boolean("false").value, false);
  for (const char* text : {"", "True", "yes", "no", "on", "off", "1", "0", "y", "truee"}) {
    EXPECT_FALSE(parse_boolean(text).value.has_value()) << text;
  }
}

TEST(Numbers, Durations) {
  const std::vector<std::pair<const char*, double>> good{
      {"00:00:00", 0},       {"00:00:01", 1},       {"1:02:03", 3723},
      {"100:00:00", 360000}, {"1-00:00:00", 86400}, {"2-23:59:59", 259199}};
  for (const auto& [text, value] : good) EXPECT_EQ(parse_duration(text), value) << text;
  for (const char* text :
       {"", "90", "1:30", "00:60:00", "00:00:60", "0:0:0", "1-24:00:00", "-1:00:00", "1-", "1-1",
        "00:00:00 ", "00:00:00.5", "1234567:00:00", "a:00:00", "00:00"}) {
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
  }
  for (const double seconds : {0.0, 59.0, 3599.0, 86399.0, 86400.0, 1e6, 1e9}) {
    EXPECT_EQ(parse_duration(format_duration(seconds)), seconds);
  }
  EXPECT_EQ(format_duration(93784), "1-02:03:04");
}

TEST(Numbers, Ranges) {
  EXPECT_TRUE(parse_range("").contains(-1e300));
  EXPECT_FALSE(parse_range("> 0").contains(0));
  EXPECT_TRUE(parse_range(">= 0").contains(0));
  EXPECT_FALSE(parse_range("< 1e-3").contains(1e-3));
  EXPECT_TRUE(parse_range("<= -1").contains(-1));
  EXPECT_TRUE(parse_range("[1, 4096]").contains(4096));
  EXPECT_FALSE(parse_range("[0, 1)").contains(1));
  EXPECT_FALSE(parse_range("(0, 1]").contains(0));
  for (const char* text : {"0", "> ", ">a", "[1]", "[1, 2", "1, 2]", "(a, 2)"}) {
    EXPECT_THROW(parse_range(text), parallel::Error) << text;
  }
  EXPECT_EQ(entry_words("[2, 2]"), "2 entries");
  EXPECT_EQ(entry_words("> 0"), "at least 1 entry");
  EXPECT_EQ(entry_words("<= 4"), "at most 4 entries");
}

}  // namespace
}  // namespace mensura::input
