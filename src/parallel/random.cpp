// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/random.hpp"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace mensura::parallel {

namespace {

// FNV-1a, 64 bits (Fowler, Noll, Vo), over the seed's bytes and the two texts, each preceded by its
// length so that ("ab", "c") and ("a", "bc") differ. Part of the output contract: never change it.
class Hash {
 public:
  explicit Hash(std::uint64_t basis) noexcept : state_(basis) {}
  void add(std::uint64_t number) noexcept {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      byte(static_cast<unsigned char>(number >> shift));
    }
  }
  void add(std::string_view text) noexcept {
    add(static_cast<std::uint64_t>(text.size()));
    for (const char c : text) byte(static_cast<unsigned char>(c));
  }
  std::uint64_t value() const noexcept { return mix(state_); }

 private:
  void byte(unsigned char b) noexcept { state_ = (state_ ^ b) * 0x100000001b3ULL; }
  std::uint64_t state_;
};

std::uint64_t hash(std::uint64_t basis, std::uint64_t seed, std::string_view purpose,
                   std::string_view name) noexcept {
  Hash state(basis);
  state.add(seed);
  state.add(purpose);
  state.add(name);
  return state.value();
}

// 52 bits, not 53: j + 1/2 needs one bit more than j, and rounding it could reach 1.
double open_unit(std::uint64_t word) noexcept {
  return (static_cast<double>(word >> 12U) + 0.5) * 0x1p-52;
}

}  // namespace

Stream::Stream(std::uint64_t seed, std::string_view purpose, std::string_view name)
    : key_{hash(0xcbf29ce484222325ULL, seed, purpose, name),     // FNV's own offset basis
           hash(0x9e3779b97f4a7c15ULL, seed, purpose, name)} {}  // 2^64 / golden ratio

std::array<std::uint64_t, 4> Stream::words(std::uint64_t index,
                                           std::uint64_t block) const noexcept {
  const r123::Philox4x64::ctr_type counter = {{index, block, 0, 0}};
  const r123::Philox4x64::key_type key = {{key_[0], key_[1]}};
  const auto result = r123::Philox4x64()(counter, key);
  return {result[0], result[1], result[2], result[3]};
}

double Stream::uniform(std::uint64_t index, std::uint64_t draw) const noexcept {
  return open_unit(words(index, draw / 4)[draw % 4]);
}

double Stream::normal(std::uint64_t index, std::uint64_t draw) const noexcept {
  const auto block = words(index, draw / 2);  // holds the uniforms of two neighbouring draws
  const auto first = 2 * (draw % 2);
  const double radius = std::sqrt(-2.0 * std::log(open_unit(block[first])));
  return radius * std::cos(2.0 * std::numbers::pi * open_unit(block[first + 1]));
}

}  // namespace mensura::parallel
