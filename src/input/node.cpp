// SPDX-License-Identifier: BSD-3-Clause
#include "input/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "input/value.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

// The value, when it may be read as one of `kinds`; otherwise the caller's mistake is named.
const Value& readable(const Value& value, std::initializer_list<Kind> kinds) {
  if (value.state == Value::State::bad) throw UnreadableValue{};
  parallel::require(std::find(kinds.begin(), kinds.end(), value.kind) != kinds.end(),
                    fmt::format("the key {} is read as a kind that it is not", value.path));
  parallel::require(value.state == Value::State::good,
                    fmt::format("the key {} is read without asking present()", value.path));
  return value;
}

}  // namespace

bool Node::present() const {
  return value_->state != Value::State::absent;
}

bool Node::given() const {
  return value_->given;
}

const std::string& Node::key_path() const {
  return value_->path;
}

Mark Node::mark() const {
  return value_->mark;
}

Node Node::operator[](std::string_view key) const {
  const Value& value = readable(*value_, {Kind::table, Kind::named_tables, Kind::free});
  for (std::size_t i = 0; i < value.keys.size(); ++i) {
    if (value.keys[i] == key) return Node(value.children[i]);
  }
  const bool table = value.kind == Kind::table;
  parallel::require(false, fmt::format("the key {} is not in {} '{}'", key,
                                       table ? "the option table of" : "the section", value.path));
  throw UnreadableValue{};  // not reached
}

std::vector<std::pair<std::string, Node>> Node::entries() const {
  const Value& value = readable(*value_, {Kind::table, Kind::named_tables, Kind::free});
  std::vector<std::pair<std::string, Node>> result;
  for (std::size_t i = 0; i < value.keys.size(); ++i) {
    if (value.children[i]->state == Value::State::absent) continue;
    result.emplace_back(value.keys[i], Node(value.children[i]));
  }
  return result;
}

std::vector<Node> Node::items() const {
  const Value& value = readable(
      *value_, {Kind::tables, Kind::tuple, Kind::tuples, Kind::reals, Kind::integers, Kind::texts,
                Kind::expressions, Kind::real_or_list, Kind::integer_or_list, Kind::free});
  return {value.children.begin(), value.children.end()};
}

std::int64_t Node::size() const {
  if (value_->state == Value::State::bad) throw UnreadableValue{};
  return static_cast<std::int64_t>(value_->keys.empty() ? value_->children.size()
                                                        : entries().size());
}

bool Node::flag() const {
  return readable(*value_, {Kind::boolean}).flag;
}

std::int64_t Node::integer() const {
  return readable(*value_, {Kind::integer}).integer;
}

double Node::real() const {
  return readable(*value_, {Kind::real}).real;
}

const std::string& Node::text() const {
  return readable(*value_, {Kind::text, Kind::choice, Kind::expression, Kind::free}).text;
}

double Node::seconds() const {
  return readable(*value_, {Kind::duration}).real;
}

std::filesystem::path Node::path() const {
  return readable(*value_, {Kind::path, Kind::folder}).text;
}

std::vector<double> Node::reals() const {
  const Value& value = readable(*value_, {Kind::reals, Kind::real_or_list});
  std::vector<double> result;
  for (const auto& child : value.children) result.push_back(child->real);
  return result;
}

std::vector<std::int64_t> Node::integers() const {
  const Value& value = readable(*value_, {Kind::integers, Kind::integer_or_list});
  std::vector<std::int64_t> result;
  for (const auto& child : value.children) result.push_back(child->integer);
  return result;
}

std::vector<std::string> Node::texts() const {
  const Value& value = readable(*value_, {Kind::texts, Kind::expressions});
  std::vector<std::string> result;
  for (const auto& child : value.children) result.push_back(child->text);
  return result;
}

Matrix Node::matrix() const {
  return readable(*value_, {Kind::real_vector_or_matrix, Kind::real_or_list}).matrix;
}

}  // namespace mensura::input
