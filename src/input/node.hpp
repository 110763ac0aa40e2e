// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mensura::input {

/// Where a value comes from: "deck.yaml:3:5", "--set confidence=2", or "default".
struct Mark {
  std::string source{};
  int line = 0;    ///< from 1; 0 for an override or a default
  int column = 0;  ///< from 1; the number of the override where line is 0
  std::string text() const;
};

/// Numbers by rows. `rank` is 0 for a scalar, 1 for a list (one row), 2 for a list of lists.
struct Matrix {
  int rank = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<double> values{};
};

struct Value;

/// A checked value of a deck: a cheap handle that keeps what it points to alive. Reading a value
/// of another kind, an absent one, or a key that is not in the option table is a programming error:
/// Error{internal}.
class Node {
 public:
  explicit Node(std::shared_ptr<const Value> value) : value_(std::move(value)) {}

  /// There is a value, from the deck or by default.
  bool present() const;
  /// The value stands in the deck or in an override.
  bool given() const;
  /// "quantities.0.order", as --set takes it.
  const std::string& key_path() const;
  Mark mark() const;

  // Sections.
  Node operator[](std::string_view key) const;  ///< The key must be in the option table.
  /// Named sections in the order of the deck; the present keys of a section in that of its table.
  std::vector<std::pair<std::string, Node>> entries() const;
  /// Entries of a list of sections, of tuples or of scalars.
  std::vector<Node> items() const;
  std::int64_t size() const;  ///< Number of items or entries.

  // Scalars.
  bool flag() const;
  std::int64_t integer() const;
  double real() const;
  const std::string& text() const;     ///< text, choice, expression, or a free value
  double seconds() const;              ///< duration
  std::filesystem::path path() const;  ///< path (absolute) or folder (as written, expanded)

  // Lists.
  std::vector<double> reals() const;           ///< reals; real_or_list (a scalar is a list of one)
  std::vector<std::int64_t> integers() const;  ///< integers; integer_or_list
  std::vector<std::string> texts() const;      ///< texts or expressions
  Matrix matrix() const;                       ///< real_vector_or_matrix or real_or_list

  const Value& value() const { return *value_; }

 private:
  std::shared_ptr<const Value> value_;
};

}  // namespace mensura::input
