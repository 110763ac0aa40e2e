// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "input/node.hpp"

namespace mensura::input {

/// All that is wrong with a deck, reported at once and sorted by position. Local.
class Diagnostics {
 public:
  /// `deck` names the deck in the last line ("3 errors in deck.yaml").
  explicit Diagnostics(std::string deck) : deck_(std::move(deck)) {}

  /// "file:line:column: key.path: text". Say what was found and what was expected.
  void error(const Node& node, const std::string& text);
  void error(const Mark& mark, const std::string& key_path, const std::string& text);
  /// A name in the deck that is not one of `candidates`: "found 'r'; expected <what> (p, q); did
  /// you mean ...?".
  void unknown_name(const Node& node, const std::string& found, const std::string& what,
                    const std::vector<std::string>& candidates);

  bool empty() const { return errors_.empty(); }
  std::size_t count() const { return errors_.size(); }
  /// All lines and, last, their count.
  std::string text() const;
  /// Throws Error{usage} with `text()` unless empty.
  void finish() const;

 private:
  struct Entry {
    Mark mark;
    std::string line;
  };
  std::string deck_;
  std::vector<Entry> errors_;
};

/// The candidate that differs in capitals only, else the one within editing distance (at most 2,
/// and less than half of the word; an exchange of neighbouring letters counts one), else one that
/// continues the word or is its beginning, else empty. First among equals.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean 'kl'?" or empty.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

/// A word from the deck for a message: quoted, control characters escaped, cut after 60.
std::string quote(std::string_view text);

}  // namespace mensura::input
