// SPDX-License-Identifier: BSD-3-Clause
// The grammar of numbers in decks: decimal and nothing else, so that 010 is never eight and `no` is
// never false. Of concern inside this folder only.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace mensura::input {

/// The value, or none with the advice that the message should give (may be empty).
template <class T>
struct Parsed {
  std::optional<T> value{};
  std::string advice{};
};

/// Sign, decimal digits, optional exponent where the value is integral: 42, -7, 1e6, 2.5e3.
Parsed<std::int64_t> parse_integer(const std::string& text);
/// Sign, decimal digits with optional point and exponent; finite.
Parsed<double> parse_real(const std::string& text);
/// true or false.
Parsed<bool> parse_boolean(const std::string& text);

/// Shortest text that reads as the same double.
std::string format_real(double value);

/// An interval as in Option::range.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;
  bool contains(double value) const;
};

/// Empty text is the whole line. Throws Error{internal} when unreadable.
Range parse_range(const std::string& text);

/// "1 entry", "2 entries".
std::string entries(std::size_t number);

/// "3 entries", "at least 1 entry", "at most 4 entries", "1 to 3 entries": a range in words.
std::string entry_words(const std::string& range);

}  // namespace mensura::input
