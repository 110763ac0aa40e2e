// SPDX-License-Identifier: BSD-3-Clause
#include "input/reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>

namespace mensura::input {

using Form = RawNode::Form;

namespace {

// The section with its aliases written out.
RawNode without_aliases(const Table& table, const RawNode& raw) {
  RawNode result = raw;
  for (const Alias& alias : table.aliases) {
    const RawNode* also = result.find(alias.also);
    if (result.find(alias.key) == nullptr || result.find(alias.stands_for) != nullptr ||
        (also != nullptr && also->text != alias.as)) {
      continue;  // an unknown key
    }
    const auto at = std::find_if(result.children.begin(), result.children.end(),
                                 [&](const RawNode& child) { return child.key == alias.key; });
    at->key = alias.stands_for;
    if (also != nullptr) continue;
    RawNode more;
    more.form = Form::scalar;
    more.text = alias.as;
    more.mark = at->mark;
    more.key = alias.also;
    more.key_mark = at->key_mark;
    result.children.push_back(std::move(more));
  }
  return result;
}

}  // namespace

// The keys of one occurrence of a table.
struct Reader::ActiveKeys {
  std::deque<Option> selectors{};              // made for the keys that choose a variant
  std::vector<const Option*> options{};        // that exist in this case
  std::vector<const Option*> inactive{};       // of other cases
  std::map<std::string, std::string> cases{};  // key of other cases -> "law: beta, gamma"
  bool undecided = false;  // a selector is missing or wrong: keys of any case may stand

  bool has(const std::string& key) const {
    return std::any_of(options.begin(), options.end(),
                       [&](const Option* option) { return option->key == key; });
  }
  void add(const std::vector<Option>& more) {
    for (const Option& option : more) options.push_back(&option);
  }
  void add_inactive(const Variant& variant, const std::string& condition) {
    for (const Option& option : variant.options) {
      inactive.push_back(&option);
      const auto [at, fresh] = cases.emplace(option.key, condition);
      if (!fresh) at->second += ", " + variant.name;
    }
  }
  // For messages; where the case is open, the keys of all cases.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const Option* option : options) result.push_back(option->key);
    for (const Option* option : inactive) {
      const bool seen = std::find(result.begin(), result.end(), option->key) != result.end();
      if (undecided && !seen) result.push_back(option->key);
    }
    return result;
  }
};

void Reader::reject(Value& value, const std::string& found, const std::string& expected,
                    const std::string& advice) {
  value.state = Value::State::bad;
  diagnostics_.error(value.mark, value.path,
                     fmt::format("found {}; expected {}{}{}", found, expected,
                                 advice.empty() || advice.front() == ';' ? "" : "; ", advice));
}

void Reader::choose_by_value(const Variants& variants, const RawNode& raw, ActiveKeys& active) {
  Option selector{.key = variants.key,
                  .kind = Kind::choice,
                  .default_value = variants.default_value,
                  .help = variants.help,
                  .required = variants.default_value.empty()};
  for (const Variant& variant : variants.of) selector.choices.push_back(variant.name);
  active.selectors.push_back(selector);
  active.options.push_back(&active.selectors.back());
  const RawNode* given = raw.find(variants.key);
  std::string name = variants.default_value;
  if (given != nullptr) name = given->form == Form::scalar ? given->text : std::string{};
  const auto is_chosen = [&](const Variant& variant) { return variant.name == name; };
  if (std::none_of(variants.of.begin(), variants.of.end(), is_chosen)) active.undecided = true;
  for (const Variant& variant : variants.of) {
    if (is_chosen(variant)) {
      active.add(variant.options);
    } else {
      active.add_inactive(variant, fmt::format("{}: {}", variants.key, variant.name));
    }
  }
}

void Reader::choose_by_presence(const Variants& variants, const RawNode& raw,
                                const std::string& path, ActiveKeys& active) {
  const Variant* chosen = nullptr;
  std::vector<std::string> names;
  for (const Variant& variant : variants.of) {
    names.push_back(variant.name);
    const RawNode* given = raw.find(variant.name);
    if (given == nullptr) continue;
    if (chosen != nullptr) {
      diagnostics_.error(given->key_mark, join_path(path, variant.name),
                         fmt::format("found both '{}' and '{}'; expected one of {}", chosen->name,
                                     variant.name, fmt::join(names, ", ")));
      active.undecided = true;
      continue;
    }
    chosen = &variant;
    active.add(variant.options);
  }
  for (const Variant& variant : variants.of) {
    if (&variant != chosen) active.add_inactive(variant, fmt::format("'{}'", variant.name));
  }
  if (chosen == nullptr && variants.required) {
    // A misspelt name is reported as an unknown key with its suggestion: say it once.
    const bool misspelt =
        std::any_of(raw.children.begin(), raw.children.end(), [&](const RawNode& child) {
          return !active.has(child.key) && !nearest(child.key, names).empty();
        });
    if (!misspelt) {
      diagnostics_.error(
          raw.mark, path,
          fmt::format("found none of the keys {}; expected one of them", fmt::join(names, ", ")));
    }
    active.undecided = true;
  }
}

Reader::ActiveKeys Reader::choose(const Table& table, const RawNode& raw, const std::string& path) {
  ActiveKeys active;
  for (const Variants& variants : table.variants) {
    if (!variants.key.empty()) choose_by_value(variants, raw, active);
  }
  active.add(table.options);
  for (const Variants& variants : table.variants) {
    if (variants.key.empty()) choose_by_presence(variants, raw, path, active);
  }
  return active;
}

void Reader::report_unknown(const Table& table, const RawNode& raw, const std::string& path,
                            const ActiveKeys& active) {
  for (const RawNode& child : raw.children) {
    if (active.has(child.key)) continue;
    const auto other = active.cases.find(child.key);
    if (other != active.cases.end() && active.undecided) continue;
    const auto hint = std::find_if(table.hints.begin(), table.hints.end(),
                                   [&](const Hint& h) { return h.key == child.key; });
    const std::vector<std::string> names = active.names();
    std::string advice;
    if (hint != table.hints.end()) {
      advice = "; " + hint->advice;
    } else if (other != active.cases.end()) {
      advice = fmt::format("; it belongs to {}", other->second);
    } else {
      std::vector<std::string> all = names;
      for (const Option* option : active.inactive) all.push_back(option->key);
      advice = suggestion(child.key, all);
    }
    diagnostics_.error(
        child.key_mark, join_path(path, child.key),
        fmt::format("found an unknown key; expected {}{}{}", names.size() > 1 ? "one of " : "",
                    fmt::join(names, ", "), advice));
  }
}

void Reader::read_into(const Table& table, const RawNode& raw, Value& section) {
  const ActiveKeys active = choose(table, raw, section.path);
  report_unknown(table, raw, section.path, active);
  for (const Option* option : active.options) {
    const std::string path = join_path(section.path, option->key);
    const RawNode* child = raw.find(option->key);
    section.keys.push_back(option->key);
    section.children.push_back(child != nullptr ? read_option(*option, *child, path)
                                                : read_missing(*option, path, section.mark));
  }
  for (const Option* option : active.inactive) {
    if (std::find(section.keys.begin(), section.keys.end(), option->key) != section.keys.end()) {
      continue;
    }
    auto absent = std::make_shared<Value>();
    absent->kind = option->kind;
    absent->path = join_path(section.path, option->key);
    absent->mark = section.mark;
    // With a wrong selector nobody knows whether the key exists: reading it must not go on.
    if (active.undecided) absent->state = Value::State::bad;
    section.keys.push_back(option->key);
    section.children.push_back(std::move(absent));
  }
}

Reader::ValuePtr Reader::read_table(const Table& table, const RawNode* raw, const std::string& path,
                                    const Mark& mark) {
  auto value = std::make_shared<Value>();
  value->kind = Kind::table;
  value->state = Value::State::good;
  value->given = given_ && raw != nullptr;
  value->path = path;
  value->mark = raw != nullptr && given_ ? raw->mark : mark;
  RawNode map;
  map.form = Form::map;
  map.mark = value->mark;
  if (raw != nullptr && raw->form == Form::scalar && !table.shorthand.empty()) {
    map.children.push_back(*raw);
    map.children.back().key = table.shorthand;
    map.children.back().key_mark = raw->mark;
    raw = &map;
  }
  if (raw == nullptr || raw->form == Form::null) raw = &map;
  if (raw->form != Form::map) {
    reject(*value, found_text(*raw), "a section of keys");
    return value;
  }
  if (table.aliases.empty()) {
    read_into(table, *raw, *value);
  } else {
    read_into(table, without_aliases(table, *raw), *value);
  }
  tables_.emplace_back(&table, value);
  return value;
}

Reader::ValuePtr Reader::read_option(const Option& option, const RawNode& raw,
                                     const std::string& path) {
  auto value = std::make_shared<Value>();
  value->kind = option.kind;
  value->state = Value::State::good;
  value->given = given_;
  value->path = path;
  value->mark = given_ ? raw.mark : default_mark_;
  switch (option.kind) {
    case Kind::table:
      return read_table(*option.table, &raw, path, value->mark);
    case Kind::named_tables:
      read_named(option, raw, *value);
      break;
    case Kind::tables:
      read_sections(option, raw, *value);
      break;
    case Kind::free:
      read_free(raw, *value, false);
      break;
    default:
      read_value(option, raw, *value);
  }
  return value;
}

Reader::ValuePtr Reader::read_missing(const Option& option, const std::string& path,
                                      const Mark& section) {
  if (!option.default_value.empty()) {
    const RawNode raw = parse_yaml("default", option.default_value);
    const bool given = std::exchange(given_, false);
    const Mark mark = std::exchange(default_mark_, section);
    ValuePtr value = read_option(option, raw, path);
    given_ = given;
    default_mark_ = mark;
    return value;
  }
  auto value = std::make_shared<Value>();
  value->kind = option.kind;
  value->path = path;
  value->mark = section;
  if (option.required) {
    std::string help = option.help.empty() ? "" : fmt::format(" ({})", option.help);
    reject(*value, "no such key", expected_text(option) + help);
  }
  return value;
}

namespace {

bool is_name(const std::string& text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && text.size() <= 64 && letter(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

void Reader::read_named(const Option& option, const RawNode& raw, Value& value) {
  if (raw.form != Form::map && raw.form != Form::null) {
    return reject(value, found_text(raw), expected_text(option));
  }
  for (const RawNode& child : raw.children) {
    const std::string path = join_path(value.path, child.key);
    if (!is_name(child.key)) {
      diagnostics_.error(child.key_mark, value.path,
                         fmt::format("found the name {}; expected letters, digits and _, at most "
                                     "64, not starting with a digit",
                                     quote(child.key)));
    }
    value.keys.push_back(child.key);
    value.children.push_back(read_table(*option.table, &child, path, value.mark));
  }
  check_length(option, raw.children.size(), value);
}

void Reader::read_sections(const Option& option, const RawNode& raw, Value& value) {
  if (raw.form != Form::list) {
    return reject(value, found_text(raw), expected_text(option), "start each entry with '- '");
  }
  for (std::size_t i = 0; i < raw.children.size(); ++i) {
    value.children.push_back(read_table(*option.table, &raw.children[i],
                                        join_path(value.path, std::to_string(i)), value.mark));
  }
  check_length(option, raw.children.size(), value);
}

void Reader::read_free(const RawNode& raw, Value& value, bool inside) {
  value.form = raw.form;
  value.text = raw.text;
  if (!inside && raw.form == Form::null) value.form = Form::map;
  if (!inside && value.form != Form::map) {
    return reject(value, found_text(raw), "a section of keys");
  }
  for (std::size_t i = 0; i < raw.children.size(); ++i) {
    const RawNode& child = raw.children[i];
    const bool map = raw.form == Form::map;
    auto entry = std::make_shared<Value>();
    entry->kind = Kind::free;
    entry->state = Value::State::good;
    entry->given = given_;
    entry->path = join_path(value.path, map ? child.key : std::to_string(i));
    entry->mark = given_ ? child.mark : default_mark_;
    if (map && (child.key.empty() || child.key[0] == '-')) {
      reject(*entry, fmt::format("the key {}", quote(child.key)), "a key without dash");
    } else if (!map && child.form != Form::scalar) {
      reject(*entry, found_text(child), "a list of scalars");
    } else {
      read_free(child, *entry, true);
    }
    if (map) value.keys.push_back(child.key);
    value.children.push_back(std::move(entry));
  }
}

void Reader::run_checks(const ValuePtr& root) {
  for (const auto& [table, value] : tables_) {
    for (const Check& check : table->checks) {
      try {
        check(Node(value), Node(root), diagnostics_);
      } catch (const UnreadableValue&) {
        // The value that the check needs has its own error already.
      }
    }
  }
}

}  // namespace mensura::input
