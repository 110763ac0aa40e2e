// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::transport {

/// Sums of terms between 0 and 8 in fixed point, to 2^-62 each: the same on any number of ranks and
/// an eighteenth of the bytes of exact accumulators. Up to 2^28 terms.
class FixedSums {
 public:
  explicit FixedSums(std::size_t count) : words_(2 * count, 0) {}
  void add(std::size_t i, double term) {
    constexpr double scale = 0x1p31;
    const auto high = static_cast<std::int64_t>(term * scale);
    words_[2 * i] += high;
    words_[2 * i + 1] +=
        static_cast<std::int64_t>((term * scale - static_cast<double>(high)) * scale);
  }
  void reduce(const parallel::Communicator& comm) { comm.sum(std::span(words_)); }
  double value(std::size_t i) const {
    return static_cast<double>(words_[2 * i]) * 0x1p-31 +
           static_cast<double>(words_[2 * i + 1]) * 0x1p-62;
  }

 private:
  std::vector<std::int64_t> words_;
};

}  // namespace mensura::transport
