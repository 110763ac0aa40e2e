// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "divergence/law.hpp"
#include "divergence/quantity.hpp"
#include "input/common.hpp"

namespace mensura::divergence {

enum class Method { one_step, nnr, wkv, gaussian };
const std::vector<std::string>& method_names();
const std::string& name_of(Method method);

/// A sample set: rows of a dataset, or points drawn from a law.
struct SampleSet {
  std::string name;
  std::optional<input::FileSource> file{};
  std::optional<Law> law{};  ///< validated
  std::int64_t count = 0;    ///< of a generated set
  std::uint64_t seed = 1;    ///< of a generated set
};

/// One number asked for.
struct Request {
  Quantity quantity = Quantity::kl;
  double order = 0.5;                      ///< in (0, 1); 1/2 where the quantity has none
  std::array<std::size_t, 2> of = {0, 1};  ///< D(sets[of[0]] || sets[of[1]])
  Method method = Method::one_step;
  std::vector<int>
      neighbours{};  ///< one_step: the list; nnr, wkv: one k; empty: chosen from the data
  std::optional<double> density_ratio{};  ///< nnr: C_L/C_U
  std::string where{};                    ///< place in the deck, for messages
};

/// What a deck asks for, free of decks.
struct Problem {
  std::vector<SampleSet> sets;
  std::vector<Request> requests;
  double confidence = 0.95;
  bool whitening = true;
  std::int64_t batches = 0;  ///< 0: chosen from the number of points
  std::int64_t remote_buffer_bytes = std::int64_t{16} << 20;
};

}  // namespace mensura::divergence
