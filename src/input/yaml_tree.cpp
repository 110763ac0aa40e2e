// SPDX-License-Identifier: BSD-3-Clause
#include "input/yaml_tree.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>

#include "parallel/error.hpp"

namespace mensura::input {
namespace {

using parallel::Error;
using parallel::ExitCode;

[[noreturn]] void fail(const Mark& mark, const std::string& text) {
  throw Error(ExitCode::usage, fmt::format("{}: {}\n1 error in {}; nothing was run", mark.text(),
                                           text, mark.source));
}

// Length of the UTF-8 sequence at `at`, or 0 if there is none (overlong forms, surrogates and
// values above U+10FFFF included).
std::size_t utf8_length(const std::string& bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return byte(at + 1) >= low && byte(at + 1) <= high && tail(at + 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    const bool second = byte(at + 1) >= low && byte(at + 1) <= high;
    return second && tail(at + 2) && tail(at + 3) ? 4 : 0;
  }
  return 0;
}

// yaml-cpp replaces bad bytes silently, guesses UTF-16, and takes some tabs for indentation.
void check_bytes(const std::string& source, const std::string& bytes) {
  Mark mark{source, 1, 1};
  bool indentation = true;
  bool tab = false;
  Mark tab_mark;
  std::size_t step = 1;
  for (std::size_t at = 0; at < bytes.size(); at += step, ++mark.column) {
    step = utf8_length(bytes, at);
    const char c = bytes[at];
    if (step == 0) fail(mark, "found bytes that are not UTF-8; expected a YAML text file");
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') ||
        c == 0x7F) {
      fail(mark, fmt::format("found the control character 0x{:02x}; expected a YAML text file",
                             static_cast<unsigned>(c)));
    }
    if (c == '\n') {
      mark = {source, mark.line + 1, 0};
      indentation = true;
      tab = false;
    } else if (indentation && c == '\t') {
      if (!tab) tab_mark = mark;
      tab = true;
    } else if (indentation && c != ' ' && c != '\r') {
      if (tab && c != '#') fail(tab_mark, "found a tab in the indentation; expected spaces");
      indentation = false;
    }
  }
}

// Builds the tree from yaml-cpp's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string source) : source_(std::move(source)) {}
  RawNode& tree() { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (has_document_) {
      fail(at(mark), "found a second YAML document; expected one deck per file");
    }
    root_.mark = at(mark);
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    close(open(mark, "", RawNode::Form::null), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RawNode node = open(mark, tag, RawNode::Form::scalar);
    node.text = value;
    node.quoted = tag == "!";
    close(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(open(mark, tag, RawNode::Form::list), anchor);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(open(mark, tag, RawNode::Form::map), anchor);
  }
  void OnMapEnd() override {
    merge(stack_.back().node);
    pop();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(at(mark), "found an alias inside its own anchor");
    const std::size_t level = stack_.size() + static_cast<std::size_t>(depth(found->second));
    if (level > deepest_level) too_deep(at(mark));
    count(number(found->second), at(mark));
    close(RawNode(found->second), 0);
  }

 private:
  struct Level {
    RawNode node;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key{};
    Mark key_mark{};
  };

  Mark at(const YAML::Mark& mark) const {
    return {source_, std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
  }
  [[noreturn]] static void too_deep(const Mark& mark) {
    fail(mark, fmt::format("found more than {} nested levels", deepest_level));
  }
  void count(std::size_t more, const Mark& mark) {
    values_ += more;
    if (values_ > most_values) fail(mark, fmt::format("found more than {} values", most_values));
  }
  static int depth(const RawNode& node) {
    int deepest = 0;
    for (const RawNode& child : node.children) deepest = std::max(deepest, depth(child));
    return deepest + 1;
  }
  static std::size_t number(const RawNode& node) {
    std::size_t total = 1;
    for (const RawNode& child : node.children) total += number(child);
    return total;
  }

  RawNode open(const YAML::Mark& mark, const std::string& tag, RawNode::Form form) {
    RawNode node;
    node.form = form;
    node.mark = at(mark);
    if (!tag.empty() && tag != "!" && tag != "?") {
      fail(node.mark, fmt::format("found the tag {}; decks have no tags", quote(tag)));
    }
    count(1, node.mark);
    return node;
  }
  void push(RawNode node, YAML::anchor_t anchor) {
    if (stack_.size() >= static_cast<std::size_t>(deepest_level)) too_deep(node.mark);
    stack_.push_back({std::move(node), anchor});
  }
  void pop() {
    Level level = std::move(stack_.back());
    stack_.pop_back();
    close(std::move(level.node), level.anchor);
  }

  // A finished node: a key or value of the map above, an entry of the list above, or the root.
  void close(RawNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (stack_.empty()) {
      root_ = std::move(node);
      has_document_ = true;
      return;
    }
    Level& parent = stack_.back();
    if (parent.node.form == RawNode::Form::map && !parent.has_key) {
      if (node.form != RawNode::Form::scalar) fail(node.mark, "found a key that is not a word");
      parent.has_key = true;
      parent.key = node.text;
      parent.key_mark = node.mark;
      return;
    }
    if (parent.has_key) {
      node.key = std::move(parent.key);
      node.key_mark = parent.key_mark;
      parent.has_key = false;
    }
    parent.node.children.push_back(std::move(node));
  }

  // `<<: *anchor` adds the keys that the map does not have itself.
  static void merge(RawNode& map) {
    const auto is_merge = [](const RawNode& node) { return node.key == "<<"; };
    if (std::none_of(map.children.begin(), map.children.end(), is_merge)) return;
    std::vector<RawNode> merged;
    for (RawNode& child : map.children) {
      if (!is_merge(child)) continue;
      std::vector<RawNode*> sources{&child};
      if (child.form == RawNode::Form::list) {
        sources.clear();
        for (RawNode& source : child.children) sources.push_back(&source);
      }
      for (RawNode* source : sources) {
        if (source->form != RawNode::Form::map) {
          fail(child.key_mark,
               "found a merge key that does not name a section; expected <<: *name");
        }
        for (RawNode& entry : source->children) merged.push_back(std::move(entry));
      }
    }
    std::erase_if(map.children, is_merge);
    for (RawNode& entry : merged) {
      if (map.find(entry.key) == nullptr) map.children.push_back(std::move(entry));
    }
  }

  std::string source_;
  RawNode root_;
  bool has_document_ = false;
  std::size_t values_ = 0;
  std::vector<Level> stack_;
  std::unordered_map<YAML::anchor_t, RawNode> anchors_;
};

}  // namespace

const RawNode* RawNode::find(std::string_view name) const {
  for (const RawNode& child : children) {
    if (child.key == name) return &child;
  }
  return nullptr;
}

namespace {

// yaml-cpp takes the end of the text for the end of a quote, so that a deck cut short would pass;
// the end-of-document line "..." inside a quote is an error for it.
std::string with_end(const std::string& bytes) {
  return bytes + (bytes.empty() || bytes.back() != '\n' ? "\n...\n" : "...\n");
}

std::string advice(const std::string& message) {
  if (message == "illegal document indicator in scalar" || message == "illegal EOF in scalar") {
    return "the text ends inside quotes; check for a quote that is not closed";
  }
  return fmt::format(
      "the text is not YAML: {}; check indentation, colons, brackets and quotes here and in the "
      "line above",
      message);
}

}  // namespace

RawNode parse_yaml(const std::string& source, const std::string& bytes) {
  check_bytes(source, bytes);
  TreeBuilder builder(source);
  try {
    std::istringstream stream(with_end(bytes));
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    const Mark mark{source, std::max(error.mark.line, 0) + 1, std::max(error.mark.column, 0) + 1};
    fail(mark, advice(error.msg));
  }
  return std::move(builder.tree());
}

std::string join_path(const std::string& parent, const std::string& key) {
  return parent.empty() ? key : parent + "." + key;
}

void remove_duplicates(RawNode& node, const std::string& path, Diagnostics& diagnostics) {
  if (node.form == RawNode::Form::map) {
    std::map<std::string, Mark> first;
    std::vector<RawNode> kept;
    for (RawNode& child : node.children) {
      const auto [at, fresh] = first.emplace(child.key, child.key_mark);
      if (fresh) {
        kept.push_back(std::move(child));
      } else {
        diagnostics.error(child.key_mark, join_path(path, child.key),
                          fmt::format("found the key a second time; expected it once (first at "
                                      "line {})",
                                      at->second.line));
      }
    }
    node.children = std::move(kept);
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    RawNode& child = node.children[i];
    const bool map = node.form == RawNode::Form::map;
    remove_duplicates(child, join_path(path, map ? child.key : std::to_string(i)), diagnostics);
  }
}

}  // namespace mensura::input
