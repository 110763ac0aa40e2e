// SPDX-License-Identifier: BSD-3-Clause
// Scalars, lists and tuples of a deck.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "input/common.hpp"
#include "input/expression.hpp"
#include "input/reader.hpp"

namespace mensura::input {
namespace {

using Form = RawNode::Form;

// The option that describes one entry of a list.
Option element_of(const Option& option) {
  Option element = option;
  element.length.clear();
  switch (option.kind) {
    case Kind::integers:
    case Kind::integer_or_list:
      element.kind = Kind::integer;
      break;
    case Kind::texts:
      element.kind = option.choices.empty() ? Kind::text : Kind::choice;
      break;
    case Kind::expressions:
      element.kind = Kind::expression;
      break;
    case Kind::tuples:
      element.kind = Kind::tuple;
      break;
    default:
      element.kind = Kind::real;
  }
  return element;
}

}  // namespace

std::string found_text(const RawNode& node) {
  switch (node.form) {
    case Form::null:
      return "nothing";
    case Form::list:
      return "a list";
    case Form::map:
      return "a section of keys";
    default:
      return node.quoted ? "the text " + quote(node.text) : quote(node.text);
  }
}

void Reader::read_value(const Option& option, const RawNode& raw, Value& value) {
  switch (option.kind) {
    case Kind::reals:
    case Kind::integers:
    case Kind::texts:
    case Kind::expressions:
    case Kind::tuples:
      return read_list(option, raw, value);
    case Kind::real_or_list:
    case Kind::integer_or_list:
    case Kind::real_vector_or_matrix:
      return read_matrix(option, raw, value);
    case Kind::tuple:
      return read_tuple(option, raw, value);
    default:
      return read_scalar(option, raw, value);
  }
}

void Reader::read_scalar(const Option& option, const RawNode& raw, Value& value) {
  if (raw.form != Form::scalar) return reject(value, found_text(raw), expected_text(option));
  switch (option.kind) {
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
      return read_number(option, raw, value);
    case Kind::path:
    case Kind::folder:
      return read_file_name(raw, option, value);
    default:
      return read_word(option, raw, value);
  }
}

void Reader::read_number(const Option& option, const RawNode& raw, Value& value) {
  const auto bad = [&](const std::string& advice) {
    reject(value, found_text(raw), expected_text(option),
           raw.quoted ? "leave the quotes out" : advice);
  };
  if (raw.quoted) return bad({});
  if (option.kind == Kind::boolean) {
    const auto parsed = parse_boolean(raw.text);
    if (!parsed.value) return bad(parsed.advice);
    value.flag = *parsed.value;
    return;
  }
  if (option.kind == Kind::integer) {
    const auto parsed = parse_integer(raw.text);
    if (!parsed.value) return bad(parsed.advice);
    value.integer = *parsed.value;
    if (!parse_range(option.range).contains(static_cast<double>(value.integer))) bad({});
    return;
  }
  const auto parsed = parse_real(raw.text);
  if (!parsed.value) return bad(parsed.advice);
  value.real = *parsed.value;
  if (!parse_range(option.range).contains(value.real)) bad({});
}

void Reader::read_word(const Option& option, const RawNode& raw, Value& value) {
  value.text = raw.text;
  if (option.kind == Kind::choice) {
    const auto& choices = option.choices;
    if (std::find(choices.begin(), choices.end(), raw.text) == choices.end()) {
      reject(value, found_text(raw), expected_text(option), suggestion(raw.text, choices));
    }
  } else if (option.kind == Kind::expression) {
    const std::string wrong = expression_error(raw.text, option.variables);
    if (!wrong.empty()) {
      value.state = Value::State::bad;
      diagnostics_.error(value.mark, value.path, wrong);
    }
  } else if (option.kind == Kind::duration) {
    const auto seconds = parse_duration(raw.text);
    if (!seconds) return reject(value, found_text(raw), expected_text(option));
    value.real = *seconds;
    if (!parse_range(option.range).contains(value.real)) {
      reject(value, found_text(raw), expected_text(option));
    }
  } else if (raw.text.empty()) {
    reject(value, found_text(raw), expected_text(option));
  }
}

bool Reader::expand(const std::string& text, Value& value, std::string& expanded) {
  std::size_t at = 0;
  while (true) {
    const std::size_t begin = text.find("${", at);
    expanded += text.substr(at, begin == std::string::npos ? begin : begin - at);
    if (begin == std::string::npos) return true;
    const std::size_t end = text.find('}', begin);
    const std::string name =
        end == std::string::npos ? std::string{} : text.substr(begin + 2, end - begin - 2);
    const auto found = variables_.find(name);
    if (name.empty()) {
      reject(value, quote(text), "${NAME} with a name and a closing brace");
      return false;
    }
    if (found == variables_.end()) {
      reject(value, fmt::format("the undefined environment variable {}", quote(name)),
             "a defined one", "export it before the run (on a cluster: in the job script)");
      return false;
    }
    expanded += found->second;
    at = end + 1;
  }
}

void Reader::read_file_name(const RawNode& raw, const Option& option, Value& value) {
  if (raw.text.empty()) return reject(value, found_text(raw), expected_text(option));
  if (raw.text.front() == '~') {
    return reject(value, found_text(raw), expected_text(option), "write ${HOME} for ~");
  }
  std::string expanded;
  if (!expand(raw.text, value, expanded)) return;
  const std::filesystem::path path = expanded;
  value.text = option.kind == Kind::folder ? path.lexically_normal().string()
                                           : (folder_ / path).lexically_normal().string();
}

void Reader::check_length(const Option& option, std::size_t number, Value& value) {
  if (parse_range(option.length).contains(static_cast<double>(number))) return;
  reject(value, entries(number), entry_words(option.length));
}

void Reader::read_list(const Option& option, const RawNode& raw, Value& value) {
  const bool single = option.kind == Kind::expressions && raw.form == Form::scalar;
  if (raw.form != Form::list && !single) {
    return reject(value, found_text(raw), expected_text(option),
                  raw.form == Form::scalar ? fmt::format("write [{}]", raw.text) : "");
  }
  const Option element = element_of(option);
  const std::size_t number = single ? 1 : raw.children.size();
  for (std::size_t i = 0; i < number; ++i) {
    value.children.push_back(read_option(element, single ? raw : raw.children[i],
                                         join_path(value.path, std::to_string(i))));
    if (value.children.back()->state == Value::State::bad) value.state = Value::State::bad;
  }
  if (!option.length.empty()) check_length(option, number, value);
}

void Reader::read_matrix(const Option& option, const RawNode& raw, Value& value) {
  const Option element = element_of(option);
  std::vector<const RawNode*> rows{&raw};
  const bool matrix =
      raw.form == Form::list && !raw.children.empty() && raw.children.front().form == Form::list;
  value.matrix.rank = raw.form == Form::list ? (matrix ? 2 : 1) : 0;
  if (raw.form == Form::null || raw.form == Form::map ||
      (matrix && option.kind != Kind::real_vector_or_matrix)) {
    return reject(value, matrix ? "a list of lists" : found_text(raw), expected_text(option));
  }
  if (matrix) {
    rows.clear();
    for (const RawNode& row : raw.children) rows.push_back(&row);
  }
  value.matrix.rows = static_cast<std::int64_t>(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string path = matrix ? join_path(value.path, std::to_string(i)) : value.path;
    const bool scalar = value.matrix.rank == 0;
    const std::size_t columns = scalar ? 1 : rows[i]->children.size();
    if (i == 0) value.matrix.columns = static_cast<std::int64_t>(columns);
    if (matrix && (rows[i]->form != Form::list ||
                   static_cast<std::int64_t>(columns) != value.matrix.columns)) {
      value.state = Value::State::bad;
      const std::string found =
          rows[i]->form == Form::list ? fmt::format("{} numbers", columns) : found_text(*rows[i]);
      diagnostics_.error(given_ ? rows[i]->mark : default_mark_, path,
                         fmt::format("found {}; expected a list of {} numbers as in the first row",
                                     found, value.matrix.columns));
      continue;
    }
    for (std::size_t j = 0; j < columns; ++j) {
      auto child = read_option(element, scalar ? *rows[i] : rows[i]->children[j],
                               scalar ? path : join_path(path, std::to_string(j)));
      if (child->state == Value::State::bad) value.state = Value::State::bad;
      value.matrix.values.push_back(child->real);
      value.children.push_back(std::move(child));
    }
  }
  if (!option.length.empty()) check_length(option, value.children.size(), value);
}

void Reader::read_tuple(const Option& option, const RawNode& raw, Value& value) {
  if (raw.form != Form::list || raw.children.size() > option.elements.size()) {
    const std::string found =
        raw.form == Form::list ? entries(raw.children.size()) : found_text(raw);
    return reject(value, found, expected_text(option));
  }
  for (std::size_t i = 0; i < option.elements.size(); ++i) {
    const Option& element = option.elements[i];
    const std::string path = join_path(value.path, std::to_string(i));
    const bool given = i < raw.children.size();
    if (!given && element.default_value.empty()) {
      return reject(value, entries(raw.children.size()), expected_text(option));
    }
    value.children.push_back(given ? read_option(element, raw.children[i], path)
                                   : read_missing(element, path, value.mark));
    if (value.children.back()->state == Value::State::bad) value.state = Value::State::bad;
  }
}

}  // namespace mensura::input
