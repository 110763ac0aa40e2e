// SPDX-License-Identifier: BSD-3-Clause
// --set key.path=value on the tree as written.
#include <fmt/format.h>

#include <algorithm>

#include "input/numbers.hpp"
#include "input/yaml_tree.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> segments(1);
  for (const char c : path) {
    if (c == '.') {
      segments.emplace_back();
    } else {
      segments.back() += c;
    }
  }
  return segments;
}

bool is_index(const std::string& segment) {
  return !segment.empty() && segment.size() < 10 &&
         std::all_of(segment.begin(), segment.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void mark_all(RawNode& node, const Mark& mark) {
  node.mark = mark;
  node.key_mark = mark;
  for (RawNode& child : node.children) mark_all(child, mark);
}

// The node below `node` named by `segment`, made if it is a new key or the next entry of a list;
// nullptr with a message otherwise.
RawNode* descend(RawNode& node, const std::string& segment, const std::string& path,
                 const Mark& mark, Diagnostics& diagnostics) {
  if (node.form == RawNode::Form::null) {
    node.form = segment == "0" ? RawNode::Form::list : RawNode::Form::map;
    node.mark = mark;
  }
  if (node.form == RawNode::Form::scalar) {
    diagnostics.error(mark, path,
                      fmt::format("found the value {}; expected a section or list to go into: set "
                                  "{} as a whole",
                                  quote(node.text), path));
    return nullptr;
  }
  if (node.form == RawNode::Form::list) {
    const std::size_t number = node.children.size();
    const std::size_t index = is_index(segment) ? std::stoul(segment) : number + 1;
    if (index > number) {
      diagnostics.error(mark, join_path(path, segment),
                        fmt::format("found {}; expected the number of an entry, from 0, of a list "
                                    "with {}",
                                    quote(segment), entries(number)));
      return nullptr;
    }
    if (index == number) node.children.push_back({});
    return &node.children[index];
  }
  for (RawNode& child : node.children) {
    if (child.key == segment) return &child;
  }
  RawNode fresh;
  fresh.key = segment;
  fresh.mark = fresh.key_mark = mark;
  node.children.push_back(std::move(fresh));
  return &node.children.back();
}

bool has_empty(const std::vector<std::string>& segments) {
  return std::any_of(segments.begin(), segments.end(), [](const auto& s) { return s.empty(); });
}

}  // namespace

void apply_override(RawNode& root, const std::string& text, int number, Diagnostics& diagnostics) {
  std::string shown = quote(text);
  const Mark mark{"--set " + shown.substr(1, shown.size() - 2), 0, number};
  const std::size_t equals = text.find('=');
  const std::string path = text.substr(0, std::min(equals, text.size()));
  const std::vector<std::string> segments = split_path(path);
  const bool too_long = segments.size() > static_cast<std::size_t>(deepest_level);
  if (equals == std::string::npos || has_empty(segments) || too_long) {
    diagnostics.error(mark, "", "expected key.path=value, such as quantities.0.order=0.3");
    return;
  }
  RawNode value;
  const std::string value_text = text.substr(equals + 1);
  if (value_text.find_first_not_of(' ') != std::string::npos) {
    try {
      value = parse_yaml("value", value_text);
    } catch (const parallel::Error&) {
      diagnostics.error(mark, path, "the value is not YAML; check brackets and quotes");
      return;
    }
  }
  mark_all(value, mark);
  remove_duplicates(value, path, diagnostics);
  RawNode* node = &root;
  std::string walked;
  for (const std::string& segment : segments) {
    node = descend(*node, segment, walked, mark, diagnostics);
    if (node == nullptr) return;
    walked = join_path(walked, segment);
  }
  value.key = node->key;
  *node = std::move(value);
}

}  // namespace mensura::input
