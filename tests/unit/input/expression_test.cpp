// SPDX-License-Identifier: BSD-3-Clause
#include "input/expression.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "parallel/error.hpp"

namespace mensura::input {
namespace {

double value(const std::string& text, double x = 3, double y = 2, double z = -1, double t = 0.5) {
  return Expression(text)(std::array<double, 4>{x, y, z, t});
}

TEST(Expression, PrecedenceAndAssociativity) {
  EXPECT_EQ(value("2^3^2"), 512);
  EXPECT_EQ(value("y^x^2"), 512);
  EXPECT_EQ(value("(2^3)^2"), 64);
  EXPECT_EQ(value("-2^2"), -4);
  EXPECT_EQ(value("-x^2"), -9);
  EXPECT_EQ(value("2^-1"), 0.5);
  EXPECT_EQ(value("2^-x^2"), 1.0 / 512);
  EXPECT_EQ(value("2*x^2"), 18);
  EXPECT_EQ(value("1-2-3"), -4);
  EXPECT_EQ(value("8/4/2"), 1);
  EXPECT_EQ(value("2*-x"), -6);
  EXPECT_EQ(value("x < y ? 1 : x > y ? 2 : 3"), 2);
  EXPECT_EQ(value("x > 2 && y > 2 || z < 0"), 1);
  EXPECT_EQ(value("x != 3"), 0);
}

TEST(Expression, ConstantsAndFunctions) {
  EXPECT_EQ(value("pi"), std::numbers::pi);
  EXPECT_EQ(value("e"), std::numbers::e);
  EXPECT_EQ(value("2e3"), 2000);  // not 2*e
  const std::vector<std::pair<std::string, double>> cases{{"sin(x)", std::sin(3.0)},
                                                          {"cos(x)", std::cos(3.0)},
                                                          {"tan(x)", std::tan(3.0)},
                                                          {"asin(t)", std::asin(0.5)},
                                                          {"acos(t)", std::acos(0.5)},
                                                          {"atan(x)", std::atan(3.0)},
                                                          {"atan2(z, x)", std::atan2(-1.0, 3.0)},
                                                          {"sinh(x)", std::sinh(3.0)},
                                                          {"cosh(x)", std::cosh(3.0)},
                                                          {"tanh(x)", std::tanh(3.0)},
                                                          {"asinh(x)", std::asinh(3.0)},
                                                          {"acosh(x)", std::acosh(3.0)},
                                                          {"atanh(t)", std::atanh(0.5)},
                                                          {"exp(x)", std::exp(3.0)},
                                                          {"log(x)", std::log(3.0)},
                                                          {"ln(x)", std::log(3.0)},
                                                          {"log10(x)", std::log10(3.0)},
                                                          {"log2(x)", std::log2(3.0)},
                                                          {"sqrt(x)", std::sqrt(3.0)},
                                                          {"cbrt(x)", std::cbrt(3.0)},
                                                          {"abs(z)", 1},
                                                          {"sign(z)", -1},
                                                          {"sign(0)", 0},
                                                          {"step(0)", 1},
                                                          {"step(z)", 0},
                                                          {"floor(t)", 0},
                                                          {"ceil(t)", 1},
                                                          {"erf(t)", std::erf(0.5)},
                                                          {"pow(x, y)", 9},
                                                          {"min(x, y, z)", -1},
                                                          {"max(x, y, z)", 3},
                                                          {"min(x)", 3}};
  // Four units in the last place: the compiler rounds these constants correctly, the library at
  // run time need not.
  for (const auto& [text, expected] : cases) EXPECT_DOUBLE_EQ(value(text), expected) << text;
}

TEST(Expression, NonFiniteValuesAreTheCallersBusiness) {
  EXPECT_EQ(value("1/(x-3)"), INFINITY);
  EXPECT_EQ(value("log(x-3)"), -INFINITY);
  EXPECT_TRUE(std::isnan(value("sqrt(z)")));
  EXPECT_TRUE(std::isnan(value("min(x, sqrt(z))")));
  EXPECT_TRUE(std::isnan(value("max(sqrt(z), x)")));
}

TEST(Expression, SpansOfPoints) {
  const Expression formula("a*x + t", {"x", "a", "t", "unused"});
  const std::vector<double> x{1, 2, 3};
  const std::vector<double> a{10, 20, 30};
  const std::vector<double> time{0.5};
  std::vector<double> result(3);
  const std::array<std::span<const double>, 4> columns{x, a, time, {}};
  formula.evaluate(columns, result);
  EXPECT_EQ(result, (std::vector<double>{10.5, 40.5, 90.5}));
  formula.evaluate(std::array<std::span<const double>, 4>{}, std::span<double>{});
  EXPECT_TRUE(formula.uses("a"));
  EXPECT_FALSE(formula.uses("unused"));
  const std::array<std::span<const double>, 4> missing{x, {}, time, {}};
  EXPECT_THROW(formula.evaluate(missing, result), parallel::Error);
  EXPECT_THROW(formula(std::array<double, 2>{1, 2}), parallel::Error);
}

TEST(Expression, CopiesAreIndependent) {
  Expression a("x + y", {"x", "y"});
  const Expression b = a;
  Expression c = std::move(a);
  EXPECT_EQ(b(std::array<double, 2>{1, 2}), 3);
  EXPECT_EQ(c(std::array<double, 2>{3, 4}), 7);
  c = b;
  EXPECT_EQ(c(std::array<double, 2>{5, 6}), 11);
  EXPECT_EQ(c.text(), "x + y");
}

TEST(Expression, Errors) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "found nothing at character 1 of ''; expected a formula"},
      {"x +", "found the end at character 4 of 'x +'; expected another operand"},
      {"sn(x)",
       "found the unknown name 'sn' at character 1 of 'sn(x)'; expected one of x, y, z, t, pi, e "
       "or "
       "a function; did you mean 'sin'?"},
      {"1 + Pi",
       "found the unknown name 'Pi' at character 5 of '1 + Pi'; expected one of x, y, z, t, pi, e "
       "or a function; did you mean 'pi'?"},
      {"rnd()",
       "found the unknown name 'rnd' at character 1 of 'rnd()'; expected one of x, y, z, t, pi, e "
       "or a function"},
      {"2x",
       "found '2x' at character 1 of '2x'; expected an operator after the number, such as 2*"},
      {"x(2)", "found 'x(' at character 1 of 'x(2)'; expected an operator: write x*("},
      {"sin + 1",
       "found the function 'sin' at character 1 of 'sin + 1'; expected its arguments in "
       "parentheses"},
      {"sin()", "found too few arguments of 'sin' at character 5 of 'sin()'; expected more"},
      {"(x", "found an open parenthesis at character 1 of '(x'; expected ')'"},
      {"x)", "found ')' at character 2 of 'x)'; expected a '(' before it"},
      {"x**2", "found '**' at character 2 of 'x**2'; expected ^ for powers"},
      {"x = 3", "found '=' at character 3 of 'x = 3'; expected a formula"},
      {"0,5",
       "found ',' at character 2 of '0,5'; expected one formula with a decimal point, not a list"},
      {"1e999",
       "found '1e999' at character 1 of '1e999'; expected a number; the value is beyond the range "
       "of a double (4.9e-324 to 1.8e308)"},
      {"x ? 1", "found '?' without ':' at character 1 of 'x ? 1'; expected condition ? a : b"},
      {"\"a\"", "found '\"' at character 1 of '\"a\"'; expected a formula"},
      {"é", "found 'é' at character 1 of 'é'; expected a formula"}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(expression_error(text, {"x", "y", "z", "t"}), expected);
  }
  EXPECT_EQ(expression_error("x + y", {"x", "y"}), "");
  try {
    const Expression wrong("q");
    ADD_FAILURE() << "accepted";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
  }
  EXPECT_NE(expression_error(std::string(5000, '1'), {"x"}), "");
  EXPECT_EQ(expression_error(std::string(2000, '(') + "x" + std::string(2000, ')'), {"x"}), "");
}

// Random token soup: an expression or Error{usage}, nothing else, and never the same object broken.
TEST(Expression, SoupOfTokens) {
  const std::vector<std::string> tokens{"x", "y",   "1",   "2.5", "+", "-", "*",  "/",  "^", "(",
                                        ")", "sin", "min", ",",   "?", ":", "<=", "&&", "e", " "};
  std::uint64_t state = 1;
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (int j = 0; j <= i % 7; ++j) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text += tokens[(state >> 33) % tokens.size()];
    }
    try {
      const Expression formula(text);
      formula(std::array<double, 4>{1, 2, 3, 4});
      ++accepted;
    } catch (const parallel::Error& error) {
      ASSERT_EQ(error.code(), parallel::ExitCode::usage) << text << ": " << error.what();
    }
  }
  EXPECT_GT(accepted, 20);  // the soup does contain formulas
}

}  // namespace
}  // namespace mensura::input
