// SPDX-License-Identifier: BSD-3-Clause
#include "input/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "input/common.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct Decimal {
  bool negative = false;
  std::string whole{};
  std::string fraction{};
  bool has_point = false;
  bool has_exponent = false;
  long exponent = 0;
};

std::string take_digits(const std::string& text, std::size_t& at) {
  const std::size_t begin = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  return text.substr(begin, at - begin);
}

// Exponents are cut at six digits: far beyond any double or integer, and they cannot overflow.
bool take_exponent(const std::string& text, std::size_t& at, Decimal& decimal) {
  decimal.has_exponent = true;
  ++at;
  bool negative = false;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) negative = text[at++] == '-';
  const std::string digits = take_digits(text, at);
  if (digits.empty()) return false;
  for (const char digit : digits) {
    decimal.exponent = std::min(decimal.exponent * 10 + (digit - '0'), 999'999L);
  }
  if (negative) decimal.exponent = -decimal.exponent;
  return true;
}

std::optional<Decimal> scan(const std::string& text) {
  Decimal decimal;
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-'))
    decimal.negative = text[at++] == '-';
  decimal.whole = take_digits(text, at);
  if (at < text.size() && text[at] == '.') {
    decimal.has_point = true;
    ++at;
    decimal.fraction = take_digits(text, at);
  }
  if (decimal.whole.empty() && decimal.fraction.empty()) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    if (!take_exponent(text, at, decimal)) return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  return decimal;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

// Why a text that is not decimal was probably written, in words for the message.
std::string number_advice(const std::string& text) {
  const std::string word = lower(text);
  const std::string bare = word.substr(
      word.find_first_not_of("+-.") == std::string::npos ? 0 : word.find_first_not_of("+-."));
  if (bare == "inf" || bare == "infinity" || bare == "nan") return "numbers must be finite";
  if (bare.starts_with("0x") || bare.starts_with("0o") || bare.starts_with("0b")) {
    return "write it in decimal";
  }
  std::string candidate = word;
  std::erase(candidate, '_');
  if (candidate != word && scan(candidate)) return fmt::format("write {}", candidate);
  candidate = word;
  std::replace(candidate.begin(), candidate.end(), 'd', 'e');
  if (candidate != word && scan(candidate)) return fmt::format("write {}", candidate);
  candidate = word;
  std::replace(candidate.begin(), candidate.end(), ',', '.');
  if (candidate != word && scan(candidate)) return fmt::format("write {}", candidate);
  return {};
}

std::string leading_zero_advice(const std::string& text, const Decimal& decimal) {
  if (decimal.whole.size() < 2 || decimal.whole[0] != '0') return {};
  std::string digits = decimal.whole.substr(
      std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size() - 1));
  const std::size_t end = text.find(decimal.whole) + decimal.whole.size();
  return fmt::format("leading zeros are not allowed: write {}{}{}", decimal.negative ? "-" : "",
                     digits, text.substr(end));
}

// The digits of an integral decimal without point and exponent; empty when it is not integral or
// longer than any 64-bit integer.
Parsed<std::string> integral_digits(const Decimal& decimal) {
  std::string digits = decimal.whole + decimal.fraction;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return {"0", {}};
  long shift = decimal.exponent - static_cast<long>(decimal.fraction.size());
  for (; shift < 0 && !digits.empty() && digits.back() == '0'; ++shift) digits.pop_back();
  if (shift < 0) return {{}, "the value is not integral"};
  if (static_cast<long>(digits.size()) + shift > 19) {
    return {{}, "the value is beyond 64-bit integers"};
  }
  digits.append(static_cast<std::size_t>(shift), '0');
  return {digits, {}};
}

}  // namespace

Parsed<std::int64_t> parse_integer(const std::string& text) {
  const auto decimal = scan(text);
  if (!decimal) return {{}, number_advice(text)};
  if (auto advice = leading_zero_advice(text, *decimal); !advice.empty()) return {{}, advice};
  if (decimal->has_point && !decimal->has_exponent) {
    return {{}, "an integer has no decimal point"};
  }
  const auto digits = integral_digits(*decimal);
  if (!digits.value) return {{}, digits.advice};
  const std::string signed_digits = (decimal->negative ? "-" : "") + *digits.value;
  std::int64_t value = 0;
  const char* end = signed_digits.data() + signed_digits.size();
  if (std::from_chars(signed_digits.data(), end, value).ec != std::errc{}) {
    return {{}, "the value is beyond 64-bit integers"};
  }
  return {value, {}};
}

Parsed<double> parse_real(const std::string& text) {
  const auto decimal = scan(text);
  if (!decimal) return {{}, number_advice(text)};
  if (auto advice = leading_zero_advice(text, *decimal); !advice.empty()) return {{}, advice};
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  double value = 0;
  const auto result = std::from_chars(begin, text.data() + text.size(), value);
  if (result.ec != std::errc{} || !std::isfinite(value)) {
    return {{}, "the value is beyond the range of a double (4.9e-324 to 1.8e308)"};
  }
  return {value, {}};
}

Parsed<bool> parse_boolean(const std::string& text) {
  if (text == "true") return {true, {}};
  if (text == "false") return {false, {}};
  const std::string word = lower(text);
  if (word == "yes" || word == "on" || word == "y" || word == "1" || word == "true") {
    return {{}, "write true"};
  }
  if (word == "no" || word == "off" || word == "n" || word == "0" || word == "false") {
    return {{}, "write false"};
  }
  return {};
}

std::string format_real(double value) {
  return fmt::format("{}", value);
}

bool Range::contains(double value) const {
  const bool above = low_open ? value > low : value >= low;
  const bool below = high_open ? value < high : value <= high;
  return above && below;
}

namespace {

double bound(const std::string& text, const std::string& range) {
  std::string trimmed = text;
  trimmed.erase(0, std::min(trimmed.find_first_not_of(' '), trimmed.size()));
  trimmed.erase(trimmed.find_last_not_of(' ') + 1);
  const auto number = parse_real(trimmed);
  parallel::require(number.value.has_value(),
                    "unreadable range '" + range + "' in an option table");
  return *number.value;
}

}  // namespace

Range parse_range(const std::string& text) {
  Range range;
  if (text.empty()) return range;
  const char first = text.front();
  if (first == '>' || first == '<') {
    const bool closed = text.size() > 1 && text[1] == '=';
    const double limit = bound(text.substr(closed ? 2 : 1), text);
    (first == '>' ? range.low : range.high) = limit;
    (first == '>' ? range.low_open : range.high_open) = !closed;
    return range;
  }
  const std::size_t comma = text.find(',');
  const bool brackets =
      (first == '(' || first == '[') && (text.back() == ')' || text.back() == ']');
  parallel::require(brackets && comma != std::string::npos,
                    "unreadable range '" + text + "' in an option table");
  range.low = bound(text.substr(1, comma - 1), text);
  range.high = bound(text.substr(comma + 1, text.size() - comma - 2), text);
  range.low_open = first == '(';
  range.high_open = text.back() == ')';
  return range;
}

std::string entries(std::size_t number) {
  return fmt::format("{} {}", number, number == 1 ? "entry" : "entries");
}

std::string entry_words(const std::string& text) {
  const Range range = parse_range(text);
  const double low = range.low_open ? range.low + 1 : range.low;
  const double high = range.high_open ? range.high - 1 : range.high;
  const auto words = [](double number) { return entries(static_cast<std::size_t>(number)); };
  if (low == high) return words(low);
  if (!std::isfinite(high)) return fmt::format("at least {}", words(low));
  if (!std::isfinite(low)) return fmt::format("at most {}", words(high));
  return fmt::format("{} to {}", low, words(high));
}

std::optional<double> parse_duration(const std::string& text) {
  std::size_t at = 0;
  const auto field = [&](std::size_t most) -> std::optional<long> {
    const std::string digits = take_digits(text, at);
    if (digits.empty() || digits.size() > most) return std::nullopt;
    return std::stol(digits);
  };
  const auto colon = [&] { return at < text.size() && text[at++] == ':'; };
  long days = 0;
  const bool has_days = text.find('-') != std::string::npos;
  if (has_days) {
    const auto value = field(5);
    if (!value || at >= text.size() || text[at++] != '-') return std::nullopt;
    days = *value;
  }
  const auto hours = field(has_days ? 2 : 6);
  if (!hours || (has_days && *hours > 23) || !colon()) return std::nullopt;
  const std::size_t minutes_at = at;
  const auto minutes = field(2);
  if (!minutes || at != minutes_at + 2 || *minutes > 59 || !colon()) return std::nullopt;
  const std::size_t seconds_at = at;
  const auto seconds = field(2);
  if (!seconds || at != seconds_at + 2 || *seconds > 59 || at != text.size()) return std::nullopt;
  return static_cast<double>(((days * 24 + *hours) * 60 + *minutes) * 60 + *seconds);
}

std::string format_duration(double seconds) {
  parallel::require(seconds >= 0 && seconds < 1e14, "duration out of range");
  const auto total = static_cast<std::int64_t>(std::floor(seconds));
  const std::int64_t days = total / 86'400;
  const std::string clock =
      fmt::format("{:02}:{:02}:{:02}", total / 3600 % 24, total / 60 % 60, total % 60);
  return days > 0 ? fmt::format("{}-{}", days, clock) : clock;
}

}  // namespace mensura::input
