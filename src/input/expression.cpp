// SPDX-License-Identifier: BSD-3-Clause
#include "input/expression.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <muParser.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "input/diagnostics.hpp"
#include "input/numbers.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

using parallel::Error;
using parallel::ExitCode;

struct Function {
  const char* name;
  double (*call)(double);
};

double sign(double x) {
  return x > 0 ? 1.0 : (x < 0 ? -1.0 : x);
}
double step(double x) {
  return x >= 0 ? 1.0 : (x < 0 ? 0.0 : x);
}

constexpr Function functions[] = {
    {"sin", [](double x) { return std::sin(x); }},
    {"cos", [](double x) { return std::cos(x); }},
    {"tan", [](double x) { return std::tan(x); }},
    {"asin", [](double x) { return std::asin(x); }},
    {"acos", [](double x) { return std::acos(x); }},
    {"atan", [](double x) { return std::atan(x); }},
    {"sinh", [](double x) { return std::sinh(x); }},
    {"cosh", [](double x) { return std::cosh(x); }},
    {"tanh", [](double x) { return std::tanh(x); }},
    {"asinh", [](double x) { return std::asinh(x); }},
    {"acosh", [](double x) { return std::acosh(x); }},
    {"atanh", [](double x) { return std::atanh(x); }},
    {"exp", [](double x) { return std::exp(x); }},
    {"log", [](double x) { return std::log(x); }},
    {"ln", [](double x) { return std::log(x); }},
    {"log10", [](double x) { return std::log10(x); }},
    {"log2", [](double x) { return std::log2(x); }},
    {"sqrt", [](double x) { return std::sqrt(x); }},
    {"cbrt", [](double x) { return std::cbrt(x); }},
    {"abs", [](double x) { return std::abs(x); }},
    {"sign", sign},
    {"step", step},
    {"floor", [](double x) { return std::floor(x); }},
    {"ceil", [](double x) { return std::ceil(x); }},
    {"erf", [](double x) { return std::erf(x); }},
};

// std::fmin ignores NaN; a NaN must stay visible to the caller.
template <class Better>
double extreme(const double* values, int count, Better better) {
  double best = values[0];
  for (int i = 1; i < count; ++i) {
    if (std::isnan(values[i]) || better(values[i], best)) best = values[i];
    if (std::isnan(best)) return best;
  }
  return best;
}

double smallest(const double* values, int count) {
  return extreme(values, count, [](double a, double b) { return a < b; });
}
double largest(const double* values, int count) {
  return extreme(values, count, [](double a, double b) { return a > b; });
}

std::vector<std::string> function_names() {
  std::vector<std::string> names{"atan2", "pow", "min", "max"};
  for (const Function& function : functions) names.emplace_back(function.name);
  return names;
}

void define_functions(mu::Parser& parser) {
  parser.ClearFun();
  parser.ClearConst();
  parser.DefineConst("pi", std::numbers::pi);
  parser.DefineConst("e", std::numbers::e);
  for (const Function& function : functions) parser.DefineFun(function.name, function.call);
  parser.DefineFun("atan2", [](double y, double x) { return std::atan2(y, x); });
  parser.DefineFun("pow", [](double x, double y) { return std::pow(x, y); });
  parser.DefineFun("min", smallest);
  parser.DefineFun("max", largest);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

struct Problem {
  std::string found{};
  std::size_t at = 0;
  std::string expected{};
};

// Names and characters are checked here, since muParser's own messages name neither the candidates
// nor its assignments, strings and lists that a formula should not have.
class Names {
 public:
  Names(const std::string& text, const std::vector<std::string>& variables)
      : text_(text), variables_(variables), functions_(function_names()) {}

  std::optional<Problem> check() {
    for (at_ = 0; at_ < text_.size();) {
      std::optional<Problem> problem;
      const bool number = is_digit(text_[at_]) || (text_[at_] == '.' && is_digit(next(1)));
      if (number) {
        problem = take_number();
      } else if (is_letter(text_[at_])) {
        problem = take_name();
      } else {
        problem = take_sign();
      }
      if (problem) return problem;
    }
    if (depth_ > 0) return Problem{"an open parenthesis", open_, "')'"};
    return std::nullopt;
  }
  const std::vector<std::string>& used() const { return used_; }

 private:
  char next(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  char after(std::size_t end) const {
    while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\n')) ++end;
    return end < text_.size() ? text_[end] : '\0';
  }

  std::optional<Problem> take_number() {
    const std::size_t begin = at_;
    while (is_digit(next(0))) ++at_;
    if (next(0) == '.') ++at_;
    while (is_digit(next(0))) ++at_;
    const std::size_t sign = next(1) == '+' || next(1) == '-' ? 1 : 0;
    if ((next(0) == 'e' || next(0) == 'E') && is_digit(next(1 + sign))) {
      at_ += 1 + sign;
      while (is_digit(next(0))) ++at_;
    }
    const std::string number = text_.substr(begin, at_ - begin);
    const std::string shown = quote(number + next(0));
    if (next(0) == '.') return Problem{shown, begin, "a number with one decimal point"};
    if (is_letter(next(0))) {
      return Problem{shown, begin,
                     fmt::format("an operator after the number, such as {}*", number)};
    }
    const auto parsed = parse_real(number);
    if (!parsed.value) return Problem{quote(number), begin, "a number; " + parsed.advice};
    return std::nullopt;
  }

  std::optional<Problem> take_name() {
    const std::size_t begin = at_;
    while (is_letter(next(0)) || is_digit(next(0))) ++at_;
    const std::string name = text_.substr(begin, at_ - begin);
    const auto is_in = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    const bool call = after(at_) == '(';
    if (is_in(functions_)) {
      if (call) return std::nullopt;
      return Problem{"the function " + quote(name), begin, "its arguments in parentheses"};
    }
    const bool variable = is_in(variables_);
    if (variable) used_.push_back(name);
    if (variable || name == "pi" || name == "e") {
      if (!call) return std::nullopt;
      return Problem{quote(name + "("), begin, fmt::format("an operator: write {}*(", name)};
    }
    std::vector<std::string> candidates = variables_;
    candidates.insert(candidates.end(), {"pi", "e"});
    candidates.insert(candidates.end(), functions_.begin(), functions_.end());
    return Problem{"the unknown name " + quote(name), begin,
                   fmt::format("one of {}, pi, e or a function{}", fmt::join(variables_, ", "),
                               suggestion(name, candidates))};
  }

  std::optional<Problem> take_sign() {
    const char c = text_[at_];
    const std::string pair = text_.substr(at_, 2);
    const bool two = pair == "==" || pair == "!=" || pair == "<=" || pair == ">=" || pair == "&&" ||
                     pair == "||";
    if (!two && pair == "**") return Problem{"'**'", at_, "^ for powers"};
    if (!two && std::string_view("+-*/^()<>?:, \n").find(c) == std::string_view::npos) {
      std::size_t end = at_ + 1;  // of the whole character in UTF-8
      while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) ++end;
      return Problem{quote(text_.substr(at_, end - at_)), at_, "a formula"};
    }
    if (c == '(' && depth_++ == 0) open_ = at_;
    if (c == '(') commas_.push_back(is_call(at_));
    if (c == ')') {
      if (--depth_ < 0) return Problem{"')'", at_, "a '(' before it"};
      commas_.pop_back();
    }
    if (c == ',' && (commas_.empty() || !commas_.back())) {
      return Problem{"','", at_, "one formula with a decimal point, not a list"};
    }
    at_ += two ? 2 : 1;
    return std::nullopt;
  }
  // The parenthesis at `at` opens the arguments of a function.
  bool is_call(std::size_t at) const {
    while (at > 0 && text_[at - 1] == ' ') --at;
    return at > 0 && (is_letter(text_[at - 1]) || is_digit(text_[at - 1]));
  }

  const std::string& text_;
  const std::vector<std::string>& variables_;
  std::vector<std::string> functions_;
  std::vector<std::string> used_;
  std::vector<bool> commas_;
  std::size_t at_ = 0;
  std::size_t open_ = 0;
  int depth_ = 0;
};

std::string describe(const std::string& text, const Problem& problem) {
  return fmt::format("found {} at character {} of {}; expected {}", problem.found, problem.at + 1,
                     quote(text), problem.expected);
}

// muParser's codes in the words of the deck.
Problem translate(const mu::ParserError& error, const std::string& text) {
  const auto at = std::min(static_cast<std::size_t>(std::max(error.GetPos(), 0)), text.size());
  const std::string token = quote(error.GetToken());
  switch (error.GetCode()) {
    case mu::ecUNEXPECTED_EOF:
      return {"the end", text.size(), "another operand"};
    case mu::ecTOO_MANY_PARAMS:
      return {"too many arguments of " + token, at, "fewer"};
    case mu::ecTOO_FEW_PARAMS:
      return {"too few arguments of " + token, at, "more"};
    case mu::ecMISPLACED_COLON:
      return {"':'", at, "a '?' before it"};
    case mu::ecUNEXPECTED_CONDITIONAL:
      return {"'?'", at, "a condition before it"};
    case mu::ecMISSING_ELSE_CLAUSE:
      return {"'?' without ':'", at, "condition ? a : b"};
    case mu::ecUNEXPECTED_OPERATOR:
      return {"the operator " + token, at, "an operand"};
    case mu::ecUNEXPECTED_VAL:
    case mu::ecUNEXPECTED_VAR:
    case mu::ecUNEXPECTED_FUN:
      return {token, at, "an operator before it"};
    case mu::ecUNEXPECTED_PARENS:
      return {"the parenthesis " + token, at, "a formula"};
    case mu::ecUNEXPECTED_ARG_SEP:
      return {"','", at, "an argument"};
    default:
      return {error.GetMsg(), at, "a formula"};
  }
}

constexpr std::size_t longest_formula = 4096;

}  // namespace

struct Expression::Program {
  mu::Parser parser{};
  std::vector<double> values{};
  std::vector<std::string> used{};
};

Expression::Expression(const std::string& text, const std::vector<std::string>& variables)
    : text_(text), variables_(variables), program_(std::make_unique<Program>()) {
  const auto fail = [&](const Problem& problem) {
    throw Error(ExitCode::usage, describe(text, problem));
  };
  if (text.find_first_not_of(" \n") == std::string::npos) {
    fail({"nothing", 0, "a formula"});
  }
  if (text.size() > longest_formula) {
    fail({fmt::format("{} characters", text.size()), 0, "at most 4096"});
  }
  Names names(text_, variables_);
  if (const auto problem = names.check()) fail(*problem);
  program_->used = names.used();
  program_->values.assign(variables_.size(), 1.0);
  try {
    mu::Parser& parser = program_->parser;
    define_functions(parser);
    for (std::size_t i = 0; i < variables_.size(); ++i) {
      parser.DefineVar(variables_[i], &program_->values[i]);
    }
    parser.SetExpr(text);
    int results = 0;
    parser.Eval(results);
    if (results != 1) fail({fmt::format("{} values", results), 0, "one formula"});
  } catch (const mu::ParserError& error) {
    fail(translate(error, text));
  }
}

Expression::Expression(const Expression& other) : Expression(other.text_, other.variables_) {}
Expression& Expression::operator=(const Expression& other) {
  if (this != &other) *this = Expression(other);
  return *this;
}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

bool Expression::uses(const std::string& variable) const {
  const auto& used = program_->used;
  return std::find(used.begin(), used.end(), variable) != used.end();
}

double Expression::operator()(std::span<const double> point) const {
  parallel::require(point.size() == variables_.size(),
                    "an expression needs one number per variable");
  std::copy(point.begin(), point.end(), program_->values.begin());
  return program_->parser.Eval();
}

void Expression::evaluate(std::span<const std::span<const double>> columns,
                          std::span<double> result) const {
  parallel::require(columns.size() == variables_.size(),
                    "an expression needs one column per variable");
  std::vector<double>& values = program_->values;
  std::vector<std::size_t> varying;
  for (std::size_t k = 0; k < columns.size(); ++k) {
    const std::size_t length = columns[k].size();
    parallel::require(
        length == result.size() || length == 1 || (length == 0 && !uses(variables_[k])),
        "a column of an expression has the wrong length");
    if (length == 0) continue;
    values[k] = columns[k][0];
    if (length > 1) varying.push_back(k);
  }
  for (std::size_t i = 0; i < result.size(); ++i) {
    for (const std::size_t k : varying) values[k] = columns[k][i];
    result[i] = program_->parser.Eval();
  }
}

std::string expression_error(const std::string& text, const std::vector<std::string>& variables) {
  try {
    const Expression expression(text, variables);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace mensura::input
