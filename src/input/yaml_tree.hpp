// SPDX-License-Identifier: BSD-3-Clause
// The tree of a YAML text as written, before the option tables are applied; of concern inside this
// folder only. yaml-cpp itself keeps duplicate keys and forgets which scalars were quoted, hence
// the own tree.
#pragma once

#include <string>
#include <vector>

#include "input/diagnostics.hpp"
#include "input/node.hpp"

namespace mensura::input {

struct RawNode {
  enum class Form { null, scalar, list, map };
  Form form = Form::null;
  std::string text{};   ///< of a scalar
  bool quoted = false;  ///< scalar in quotes or in a block: never a number
  Mark mark{};
  std::string key{};  ///< in the map that contains this node
  Mark key_mark{};
  std::vector<RawNode> children{};

  const RawNode* find(std::string_view name) const;  ///< child of a map, or nullptr
};

/// Most nested levels and most values (aliases counted as often as they are used) of a deck: beyond
/// both any real deck and below what could exhaust stack or memory.
inline constexpr int deepest_level = 64;
inline constexpr std::size_t most_values = 200'000;

/// Parses one YAML document; `source` is the file name of the marks. Aliases and merge keys are
/// resolved; an empty text is a null. Throws Error{usage} with "source:line:column: ..." for text
/// that is not UTF-8 or not YAML, for tags and for more than one document.
RawNode parse_yaml(const std::string& source, const std::string& bytes);

/// Reports keys that occur twice in one map and removes all but the first.
void remove_duplicates(RawNode& node, const std::string& path, Diagnostics& diagnostics);

/// Applies "key.path=value", the `number`th override; errors go to `diagnostics`. All that it
/// touches is marked with it.
void apply_override(RawNode& root, const std::string& text, int number, Diagnostics& diagnostics);

/// "a.b": the path of a key below `parent`, which may be empty.
std::string join_path(const std::string& parent, const std::string& key);

}  // namespace mensura::input
