// SPDX-License-Identifier: BSD-3-Clause
#include "input/identity.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <map>

#include "input/value.hpp"
#include "input/yaml_tree.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

using parallel::Error;
using parallel::ExitCode;
using Form = RawNode::Form;

std::vector<std::string> segments(const std::string& path) {
  std::vector<std::string> result(1);
  for (const char c : path) {
    if (c == '.') {
      result.emplace_back();
    } else {
      result.back() += c;
    }
  }
  return result;
}

bool is_excluded(const std::string& path, const std::vector<std::string>& excluded) {
  const auto have = segments(path);
  return std::any_of(excluded.begin(), excluded.end(), [&](const std::string& pattern) {
    const auto want = segments(pattern);
    if (want.size() > have.size()) return false;
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (want[i] != "*" && want[i] != have[i]) return false;
    }
    return true;
  });
}

bool has_map(const RawNode& node) {
  return std::any_of(node.children.begin(), node.children.end(),
                     [](const RawNode& child) { return child.form == Form::map; });
}

std::string canonical(const RawNode& node) {
  if (node.form == Form::null) return "null";
  if (node.form == Form::map) return "{}";
  if (node.form == Form::scalar) return node.quoted ? yaml_text(node.text) : node.text;
  std::string result = "[";
  for (const RawNode& child : node.children) {
    result += (&child == &node.children.front() ? "" : ", ") + canonical(child);
  }
  return result + "]";
}

using Flat = std::map<std::string, std::string>;

// Key paths and values; a list without sections is one value.
void flatten(const RawNode& node, const std::string& path, Flat& flat) {
  const bool list = node.form == Form::list && has_map(node);
  const bool map = node.form == Form::map && !node.children.empty();
  if (!list && !map) {
    flat[path] = canonical(node);
    return;
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const RawNode& child = node.children[i];
    flatten(child, join_path(path, map ? child.key : std::to_string(i)), flat);
  }
}

Flat flatten_text(const std::string& resolved, const std::vector<std::string>& excluded) {
  const RawNode root = parse_yaml("resolved.yaml", resolved);
  if (root.form != Form::map) throw Error(ExitCode::usage, "it is not a section of keys");
  Flat flat;
  flatten(root, "", flat);
  std::erase_if(flat, [&](const auto& entry) { return is_excluded(entry.first, excluded); });
  return flat;
}

Flat flatten_stored(const std::string& resolved, const std::vector<std::string>& excluded) {
  try {
    return flatten_text(resolved, excluded);
  } catch (const Error& error) {
    throw Error(ExitCode::input_data,
                fmt::format("the stored deck cannot be read, the checkpoint may be damaged: {}",
                            error.what()));
  }
}

}  // namespace

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const int done =
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  parallel::require(done == 1 && length == 32, "SHA-256 of OpenSSL failed");
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string problem_hash(const Deck& deck, const std::vector<std::string>& excluded) {
  std::string lines;
  for (const auto& [path, value] : flatten_text(deck.resolved_yaml(), excluded)) {
    lines += path + ": " + value + "\n";
  }
  return sha256(lines);
}

std::vector<std::string> differing_keys(const std::string& resolved_before,
                                        const std::string& resolved_now,
                                        const std::vector<std::string>& excluded) {
  const Flat before = flatten_stored(resolved_before, excluded);
  const Flat now = flatten_stored(resolved_now, excluded);
  std::map<std::string, std::string> lines;
  for (const auto& [path, value] : before) {
    const auto found = now.find(path);
    if (found == now.end()) {
      lines[path] = fmt::format("{}: {} is now absent", path, value);
    } else if (found->second != value) {
      lines[path] = fmt::format("{}: {} is now {}", path, value, found->second);
    }
  }
  for (const auto& [path, value] : now) {
    if (!before.contains(path)) lines[path] = fmt::format("{}: absent is now {}", path, value);
  }
  std::vector<std::string> result;
  for (auto& [path, line] : lines) result.push_back(std::move(line));
  return result;
}

}  // namespace mensura::input
