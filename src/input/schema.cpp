// SPDX-License-Identifier: BSD-3-Clause
#include "input/schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "input/numbers.hpp"
#include "input/reader.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

std::string tuple_words(const Option& option) {
  std::vector<std::string> fields;
  for (const Option& element : option.elements) {
    const std::string field = fmt::format("{}: {}", element.key, type_name(element));
    fields.push_back(element.default_value.empty() ? field : field + " (optional)");
  }
  return fmt::format("[{}]", fmt::join(fields, ", "));
}

bool is_plural(const Option& option) {
  return option.kind == Kind::reals || option.kind == Kind::integers ||
         option.kind == Kind::real_or_list || option.kind == Kind::integer_or_list ||
         option.kind == Kind::real_vector_or_matrix;
}

}  // namespace

TableRef::TableRef(Table table) {
  auto kept = std::make_shared<const Table>(std::move(table));
  source_ = [kept]() -> const Table& { return *kept; };
}

std::string type_name(const Option& option) {
  switch (option.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return "integer";
    case Kind::real:
      return "real number";
    case Kind::text:
      return "text";
    case Kind::choice:
      return fmt::format("one of {}", fmt::join(option.choices, ", "));
    case Kind::expression:
      return fmt::format("expression in {}", fmt::join(option.variables, ", "));
    case Kind::duration:
      return "duration hh:mm:ss or d-hh:mm:ss";
    case Kind::path:
      return "file name";
    case Kind::folder:
      return "folder name";
    case Kind::reals:
      return "list of real numbers";
    case Kind::integers:
      return "list of integers";
    case Kind::texts:
      return option.choices.empty()
                 ? "list of text"
                 : fmt::format("list of some of {}", fmt::join(option.choices, ", "));
    case Kind::expressions:
      return fmt::format("list of expressions in {}", fmt::join(option.variables, ", "));
    case Kind::real_or_list:
      return "real number or list of them";
    case Kind::integer_or_list:
      return "integer or list of them";
    case Kind::real_vector_or_matrix:
      return "real number, list, or list of lists of them";
    case Kind::tuple:
      return tuple_words(option);
    case Kind::tuples:
      return "list of " + tuple_words(option);
    case Kind::table:
      return "section";
    case Kind::named_tables:
      return "named sections";
    case Kind::tables:
      return "list of sections";
    case Kind::free:
      return "section of free keys";
  }
  return {};
}

std::string expected_text(const Option& option) {
  const std::string type = type_name(option);
  const bool bare = type.starts_with("one of") || type.starts_with("true") || type == "text" ||
                    type.starts_with("named") || type.starts_with('[');
  std::string result = bare ? type : (type[0] == 'i' || type[0] == 'e' ? "an " : "a ") + type;
  if (!option.length.empty()) result += fmt::format(" with {}", entry_words(option.length));
  if (!option.range.empty()) {
    const bool interval = option.range[0] == '(' || option.range[0] == '[';
    result += fmt::format("{} {}{}", is_plural(option) ? ", each" : "", interval ? "in " : "",
                          option.range);
  }
  if (!option.unit.empty()) result += fmt::format(" ({})", option.unit);
  return result;
}

namespace {

// Walks the tables once and throws on the first contradiction.
class SchemaCheck {
 public:
  void table(const Table& table, const std::string& path) {
    if (!visited_.insert(&table).second) return;
    std::set<std::string> common;
    for (const Option& option : table.options) add(option, path, common);
    for (const Variants& variants : table.variants) {
      if (!variants.key.empty()) unique(variants.key, path, common);
    }
    for (const Variants& variants : table.variants) check_variants(variants, path, common);
    const auto known = [&](const Hint& hint) { return common.contains(hint.key); };
    require(std::none_of(table.hints.begin(), table.hints.end(), known), path,
            "a hint stands for a key that exists");
  }

 private:
  static void require(bool condition, const std::string& path, const std::string& text) {
    parallel::require(condition, fmt::format("option table of '{}': {}", path, text));
  }
  static void unique(const std::string& key, const std::string& path, std::set<std::string>& keys) {
    require(keys.insert(key).second, path, "the key " + key + " occurs twice");
  }

  void check_variants(const Variants& variants, const std::string& path,
                      const std::set<std::string>& common) {
    bool has_default = variants.default_value.empty();
    for (const Variant& variant : variants.of) {
      std::set<std::string> keys = common;
      for (const Option& option : variant.options) add(option, path, keys);
      has_default = has_default || variant.name == variants.default_value;
      require(!variants.key.empty() || keys.contains(variant.name), path,
              "the variant " + variant.name + " has no key of that name");
    }
    require(has_default, path, "the default of " + variants.key + " is not one of its variants");
  }

  void add(const Option& option, const std::string& path, std::set<std::string>& keys) {
    unique(option.key, path, keys);
    const std::string key_path = join_path(path, option.key);
    const bool nested = option.kind == Kind::table || option.kind == Kind::named_tables ||
                        option.kind == Kind::tables;
    require(nested == static_cast<bool>(option.table), key_path, "kind and table do not agree");
    require(!option.required || option.default_value.empty(), key_path, "required with default");
    require((option.kind == Kind::choice) <= !option.choices.empty(), key_path, "no choices");
    require((option.kind == Kind::tuple || option.kind == Kind::tuples) == !option.elements.empty(),
            key_path, "kind and elements do not agree");
    parse_range(option.range);
    parse_range(option.length);
    for (const std::string& text : {option.default_value, option.example}) {
      if (!text.empty() && option.kind != Kind::named_tables) check_value(option, text, key_path);
    }
    if (nested) table(*option.table, key_path);
  }

  static void check_value(const Option& option, const std::string& text, const std::string& path) {
    Diagnostics diagnostics("the option tables");
    const Variables variables{{"DECK", "deck"}};
    Reader reader(diagnostics, variables, "/");
    reader.read_option(option, parse_yaml("default", text), path);
    require(diagnostics.empty(), path, diagnostics.text());
  }

  std::set<const Table*> visited_;
};

}  // namespace

void check_schema(const Schema& schema) {
  SchemaCheck().table(schema.root, "");
}

}  // namespace mensura::input
