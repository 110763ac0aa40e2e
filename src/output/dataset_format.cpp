// SPDX-License-Identifier: BSD-3-Clause
#include "output/dataset_format.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace mensura::output {
namespace {

constexpr bool host_is_big = std::endian::native == std::endian::big;
constexpr std::int64_t exact_integers = std::int64_t{1} << 53;

template <class T>
T load(const unsigned char* stored, bool swap) {
  std::array<unsigned char, sizeof(T)> bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = stored[swap ? sizeof(T) - 1 - i : i];
  return std::bit_cast<T>(bytes);
}

template <class T>
bool usable(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::isfinite(value);
  } else if constexpr (sizeof(T) < 8) {
    return true;
  } else if constexpr (std::is_signed_v<T>) {
    return value >= -exact_integers && value <= exact_integers;
  } else {
    return value <= static_cast<T>(exact_integers);
  }
}

template <class T>
std::int64_t convert_all(const unsigned char* stored, std::int64_t count, bool swap,
                         double* values) {
  std::int64_t bad = count;
  for (std::int64_t i = 0; i < count; ++i) {
    const T value = load<T>(stored + static_cast<std::size_t>(i) * sizeof(T), swap);
    values[i] = static_cast<double>(value);
    if (bad == count && !usable(value)) bad = i;
  }
  return bad;
}

// Calls `action` with a value of the C++ type that the format names.
template <class Action>
auto with_type(const NumberFormat& format, Action action) {
  using Kind = NumberFormat::Kind;
  const bool is_signed = format.kind == Kind::signed_integer;
  if (format.kind == Kind::real) {
    return format.bytes == 4 ? action(float{}) : action(double{});
  }
  switch (format.bytes) {
    case 1:
      return is_signed ? action(std::int8_t{}) : action(std::uint8_t{});
    case 2:
      return is_signed ? action(std::int16_t{}) : action(std::uint16_t{});
    case 4:
      return is_signed ? action(std::int32_t{}) : action(std::uint32_t{});
    default:
      return is_signed ? action(std::int64_t{}) : action(std::uint64_t{});
  }
}

}  // namespace

bool NumberFormat::is_native_double() const {
  return kind == Kind::real && bytes == 8 && big_endian == host_is_big;
}

std::string NumberFormat::name() const {
  const char* family = kind == Kind::real ? "float" : kind == Kind::signed_integer ? "int" : "uint";
  return family + std::to_string(8 * bytes) + (big_endian && bytes > 1 ? " (big endian)" : "");
}

std::int64_t convert(const NumberFormat& format, const unsigned char* stored, std::int64_t count,
                     double* values) {
  return with_type(format, [&](auto example) {
    return convert_all<decltype(example)>(stored, count, format.big_endian != host_is_big, values);
  });
}

std::int64_t first_not_finite(const double* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return i;
  }
  return count;
}

std::string complaint(const NumberFormat& format, const unsigned char* stored) {
  return with_type(format, [&](auto example) -> std::string {
    const auto value = load<decltype(example)>(stored, format.big_endian != host_is_big);
    if constexpr (std::is_floating_point_v<decltype(example)>) {
      return std::isnan(value) ? "is NaN; remove or replace such values"
                               : "is infinite; remove or replace such values";
    } else {
      return "is " + std::to_string(value) +
             ", above 2^53 in magnitude: a double cannot hold it exactly; rescale the data";
    }
  });
}

}  // namespace mensura::output
