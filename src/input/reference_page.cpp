// SPDX-License-Identifier: BSD-3-Clause
// inputs/REFERENCE.md from the option tables.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>

#include "input/numbers.hpp"
#include "input/schema.hpp"
#include "input/yaml_tree.hpp"

namespace mensura::input {
namespace {

std::string cell(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

std::string code(const std::string& text) {
  return text.empty() ? "" : fmt::format("`{}`", cell(text));
}

constexpr const char* head =
    "| key | type | default | unit | range | meaning |\n| --- | --- | --- | --- | --- | --- |\n";

// One driver's chapter: a section per table, each followed by those that it contains.
class Chapter {
 public:
  explicit Chapter(const Schema& schema) {
    text_ = fmt::format("## mensura-{}\n\n{}\n", schema.driver, schema.help);
    waiting_.emplace_back(&schema.root, "");
    while (!waiting_.empty()) {
      const auto [table, path] = waiting_.front();
      waiting_.pop_front();
      section(*table, path);
      waiting_.insert(waiting_.begin(), met_.begin(), met_.end());
      met_.clear();
    }
    prefixes(schema);
  }
  const std::string& text() const { return text_; }

 private:
  // The path under which the table is described; a table met again is described once. Where
  // another table has the path, the case tells them apart.
  const std::string& visit(const Table& table, const std::string& path,
                           const std::string& condition) {
    const bool taken = std::any_of(places_.begin(), places_.end(),
                                   [&](const auto& place) { return place.second == path; });
    const auto [at, fresh] =
        places_.emplace(&table, taken ? fmt::format("{} ({})", path, condition) : path);
    if (fresh) met_.emplace_back(&table, at->second);
    return at->second;
  }

  // Cases without words of their own and with the same keys share one table.
  static bool alike(const Variant& a, const Variant& b) {
    return a.help.empty() && b.help.empty() && !a.options.empty() &&
           std::equal(a.options.begin(), a.options.end(), b.options.begin(), b.options.end(),
                      [](const Option& p, const Option& q) {
                        return p.key == q.key && p.kind == q.kind && p.help == q.help &&
                               p.range == q.range && p.default_value == q.default_value &&
                               p.required == q.required && !p.table && !q.table;
                      });
  }

  void section(const Table& table, const std::string& path) {
    text_ += fmt::format("\n### {}\n", path.empty() ? "Top level" : code(path));
    if (!path.empty() && !table.help.empty()) text_ += fmt::format("\n{}.\n", table.help);
    if (!table.shorthand.empty()) {
      text_ += fmt::format("\nA single value `v` stands for `{{{}: v}}`.\n", table.shorthand);
    }
    std::string rows = selectors(table);
    for (const Option& option : table.options) rows += row(option, path);
    if (!rows.empty()) text_ += fmt::format("\n{}{}", head, rows);
    for (const Variants& variants : table.variants) cases(variants, path);
  }

  static std::string selectors(const Table& table) {
    std::string rows;
    for (const Variants& variants : table.variants) {
      if (variants.key.empty()) continue;
      std::vector<std::string> names;
      for (const Variant& variant : variants.of) names.push_back(variant.name);
      rows += fmt::format(
          "| {} | one of {} | {} |  |  | {} |\n", code(variants.key), fmt::join(names, ", "),
          variants.default_value.empty() ? "required" : code(variants.default_value),
          cell(variants.help));
    }
    return rows;
  }

  void cases(const Variants& variants, const std::string& path) {
    if (variants.key.empty()) {
      text_ += fmt::format("\n{} of the following cases, by the key that is present.\n",
                           variants.required ? "Exactly one" : "At most one");
    }
    const auto words = [&](const Variant& variant) {
      return variants.key.empty() ? variant.name : variants.key + ": " + variant.name;
    };
    for (std::size_t i = 0; i < variants.of.size(); ++i) {
      const Variant& variant = variants.of[i];
      if (variant.options.empty() && variant.help.empty()) continue;
      std::string condition = code(words(variant));
      while (i + 1 < variants.of.size() && alike(variant, variants.of[i + 1])) {
        condition += ", " + code(words(variants.of[++i]));
      }
      text_ +=
          fmt::format("\nWith {}{}{}\n", condition, variant.help.empty() ? "" : ": ", variant.help);
      if (variant.options.empty()) continue;
      text_ += std::string("\n") + head;
      for (const Option& option : variant.options) text_ += row(option, path, words(variant));
    }
  }

  std::string row(const Option& option, const std::string& path,
                  const std::string& condition = "another case") {
    std::string type = cell(type_name(option));
    if (!option.length.empty()) type += fmt::format(", {}", entry_words(option.length));
    std::string meaning = cell(option.help);
    if (option.table) {
      std::string inner = join_path(path, option.key);
      if (option.kind == Kind::named_tables) inner += ".NAME";
      if (option.kind == Kind::tables) inner += ".0";
      meaning += fmt::format("{}keys: see {}", meaning.empty() ? "" : "; ",
                             code(visit(*option.table, inner, condition)));
    }
    const bool section = option.default_value == "{}";
    const std::string value =
        option.required ? "required" : (section ? "" : code(option.default_value));
    return fmt::format("| {} | {} | {} | {} | {} | {} |\n", code(option.key), type, value,
                       cell(option.unit), code(option.range), meaning);
  }

  void prefixes(const Schema& schema) {
    if (schema.petsc_prefixes.empty()) return;
    text_ += "\n### PETSc prefixes\n\n| prefix | solver |\n| --- | --- |\n";
    for (const PetscPrefix& prefix : schema.petsc_prefixes) {
      text_ += fmt::format("| {} | {} |\n", code("-" + prefix.prefix), cell(prefix.help));
    }
  }

  std::string text_;
  std::map<const Table*, std::string> places_;
  std::deque<std::pair<const Table*, std::string>> waiting_;
  std::deque<std::pair<const Table*, std::string>> met_;  // in the section at hand
};

}  // namespace

std::string reference_page(const std::vector<Schema>& schemas) {
  std::string text =
      "# Reference of the decks\n\n"
      "Made from the option tables of the drivers; do not edit. Unknown and duplicate keys are "
      "errors.\nNumbers are decimal; an integer may have an exponent (`1e6`). Durations are "
      "`hh:mm:ss` or `d-hh:mm:ss`.\nIn file names `${NAME}` expands environment variables. A key "
      "path such as `quantities.0.order` serves for\n`--set quantities.0.order=0.3`; entries of "
      "lists count from zero. An expression knows its variables, `pi`, `e`,\n`+ - * / ^` (powers "
      "from the right, above the sign), comparisons, `condition ? a : b`, and the functions\n"
      "sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp log ln log10 log2 "
      "sqrt cbrt pow abs sign\nstep floor ceil min max erf.\n";
  for (const Schema& schema : schemas) text += "\n" + Chapter(schema).text();
  return text;
}

}  // namespace mensura::input
