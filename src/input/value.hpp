// SPDX-License-Identifier: BSD-3-Clause
// What a Node points to; of concern inside this folder only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "input/node.hpp"
#include "input/schema.hpp"
#include "input/yaml_tree.hpp"

namespace mensura::input {

/// A node of the resolved tree.
struct Value {
  enum class State {
    absent,  ///< optional and not given
    good,
    bad,  ///< required and missing, or wrong: an error has been reported
  };
  Kind kind = Kind::table;
  State state = State::absent;
  bool given = false;
  std::string path{};
  Mark mark{};

  bool flag = false;
  std::int64_t integer = 0;
  double real = 0;     ///< real; seconds of a duration
  std::string text{};  ///< text, choice, expression, path, free scalar
  Matrix matrix{};     ///< real_or_list, integer_or_list (shape only), real_vector_or_matrix
  RawNode::Form form = RawNode::Form::null;  ///< of a free value
  /// Keys of a section or of named sections; as many as children, else empty.
  std::vector<std::string> keys{};
  std::vector<std::shared_ptr<Value>> children{};
};

/// Thrown by a Node whose value already has an error; ends the check that reads it.
struct UnreadableValue {};

/// The YAML of a resolved tree, with all defaults (emit.cpp).
std::string emit_yaml(const Value& root);

/// A scalar's text as YAML: quoted where plain text would read as something else.
std::string yaml_text(const std::string& text);

}  // namespace mensura::input
