// SPDX-License-Identifier: BSD-3-Clause
// The resolved deck as YAML: the same values always give the same text.
#include <fmt/format.h>

#include <algorithm>

#include "input/common.hpp"
#include "input/numbers.hpp"
#include "input/value.hpp"

namespace mensura::input {
namespace {

bool is_plain(const std::string& text) {
  static const std::string reserved[] = {"true", "false", "yes", "no",  "on", "off",
                                         "null", "y",     "n",   "inf", "nan"};
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/';
  };
  const auto inner = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  if (text.empty() || text.size() > 200 || !letter(text[0])) return false;
  if (!std::all_of(text.begin(), text.end(), inner)) return false;
  std::string lower = text;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(std::begin(reserved), std::end(reserved), lower) == std::end(reserved);
}

bool is_free_map(const Value& value) {
  return value.kind == Kind::free && value.form == RawNode::Form::map;
}

// Sections and lists of sections take lines of their own; all else stands behind its key.
bool is_block(const Value& value) {
  return value.kind == Kind::table || value.kind == Kind::named_tables ||
         value.kind == Kind::tables || is_free_map(value);
}

std::string flow_list(const Value& value);

std::string flow_matrix(const Value& value) {
  if (value.matrix.rank == 0) return format_real(value.matrix.values.at(0));
  const std::string list = flow_list(value);
  if (value.matrix.rank == 1) return list;
  std::string result = "[";
  const auto columns = static_cast<std::size_t>(value.matrix.columns);
  for (std::size_t row = 0; row < static_cast<std::size_t>(value.matrix.rows); ++row) {
    result += row == 0 ? "[" : ", [";
    for (std::size_t j = 0; j < columns; ++j) {
      result += (j == 0 ? "" : ", ") + format_real(value.matrix.values[row * columns + j]);
    }
    result += "]";
  }
  return result + "]";
}

std::string flow(const Value& value) {
  switch (value.kind) {
    case Kind::boolean:
      return value.flag ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::real:
      return format_real(value.real);
    case Kind::duration:
      return '"' + format_duration(value.real) + '"';
    case Kind::text:
    case Kind::choice:
    case Kind::expression:
    case Kind::path:
    case Kind::folder:
      return yaml_text(value.text);
    case Kind::integer_or_list:
      return value.matrix.rank == 0 ? flow(*value.children.at(0)) : flow_list(value);
    case Kind::real_or_list:
    case Kind::real_vector_or_matrix:
      return flow_matrix(value);
    case Kind::free:
      if (value.form == RawNode::Form::null) return "null";
      if (value.form == RawNode::Form::list) return flow_list(value);
      return parse_real(value.text).value ? value.text : yaml_text(value.text);
    default:
      return flow_list(value);
  }
}

std::string flow_list(const Value& value) {
  std::string result = "[";
  for (const auto& child : value.children) {
    result += (child == value.children.front() ? "" : ", ") + flow(*child);
  }
  return result + "]";
}

void emit_block(const Value& value, const std::string& indent, bool in_list, std::string& out);

void emit_entry(const Value& child, const std::string& indent, std::string& out) {
  std::string nested;
  if (is_block(child)) emit_block(child, indent + "  ", false, nested);
  if (!is_block(child)) {
    out += fmt::format(" {}\n", flow(child));
  } else if (nested.empty()) {
    out += child.kind == Kind::tables ? " []\n" : " {}\n";
  } else {
    out += "\n" + nested;
  }
}

// Lines of a section or of a list of sections; in a list, the first key stands behind "- ".
void emit_block(const Value& value, const std::string& indent, bool in_list, std::string& out) {
  bool first = in_list;
  if (value.kind == Kind::tables) {
    for (const auto& child : value.children) {
      std::string nested;
      emit_block(*child, indent + "  ", true, nested);
      out += indent + "- " + (nested.empty() ? "{}\n" : nested);
    }
    return;
  }
  for (std::size_t i = 0; i < value.keys.size(); ++i) {
    const Value& child = *value.children[i];
    if (child.state != Value::State::good) continue;
    out += (first ? "" : indent) + yaml_text(value.keys[i]) + ":";
    first = false;
    emit_entry(child, indent, out);
  }
}

}  // namespace

std::string yaml_text(const std::string& text) {
  if (is_plain(text)) return text;
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += fmt::format("\\{}", c);
    } else if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string emit_yaml(const Value& root) {
  std::string out;
  emit_block(root, "", false, out);
  return out.empty() ? "{}\n" : out;
}

}  // namespace mensura::input
