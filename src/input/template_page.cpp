// SPDX-License-Identifier: BSD-3-Clause
// --print-defaults and --help: the option tables as a deck to start from and as a list.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "input/schema.hpp"

namespace mensura::input {
namespace {

struct Line {
  int indent = 0;
  std::string text{};
  std::string comment{};
  bool disabled = false;  // stands as a comment; uncommenting it in its place makes it work
  bool prose = false;     // a comment between the lines
};
using Lines = std::vector<Line>;

bool is_section(const Option& option) {
  return option.kind == Kind::table || option.kind == Kind::named_tables ||
         option.kind == Kind::tables;
}

// A section that a single value stands for; its other keys are left to the reference.
bool is_short(const Option& option) {
  const bool shows = !option.default_value.empty() || !option.example.empty();
  return option.kind == Kind::table && option.default_value != "{}" && shows &&
         !option.table->shorthand.empty();
}

std::string describe(const Option& option) {
  std::string text = option.help;
  if (!option.unit.empty()) text += fmt::format(" [{}]", option.unit);
  std::string facts = is_section(option) ? "" : type_name(option);
  if (is_short(option)) facts = fmt::format("section or its {}", option.table->shorthand);
  if (!option.range.empty()) facts += (facts.empty() ? "" : ", ") + option.range;
  if (!facts.empty()) text += fmt::format("{}({})", text.empty() ? "" : " ", facts);
  return option.required ? text + ", required" : text;
}

// Renders the tables; those that are being rendered already are not entered again.
class Template {
 public:
  Lines table(const Table& table, int indent, bool disabled) {
    Lines lines;
    std::set<std::string> shown;
    open_.insert(&table);
    for (const Variants& variants : table.variants) {
      if (variants.key.empty()) continue;
      selector(variants, indent, disabled, lines);
      shown.insert(variants.key);
    }
    for (const Option& option : table.options) {
      append(lines, this->option(option, indent, disabled));
      shown.insert(option.key);
    }
    for (const Variants& variants : table.variants) {
      cases(variants, indent, disabled, shown, lines);
    }
    open_.erase(&table);
    return lines;
  }

 private:
  static void append(Lines& lines, const Lines& more) {
    lines.insert(lines.end(), more.begin(), more.end());
  }

  static const std::string& first_case(const Variants& variants) {
    return variants.default_value.empty() ? variants.of.front().name : variants.default_value;
  }

  static void selector(const Variants& variants, int indent, bool disabled, Lines& lines) {
    std::vector<std::string> names;
    for (const Variant& variant : variants.of) names.push_back(variant.name);
    const std::string required = variants.default_value.empty() ? ", required" : "";
    lines.push_back(
        {indent, fmt::format("{}: {}", variants.key, first_case(variants)),
         fmt::format("{}{}(one of {}){}", variants.help, variants.help.empty() ? "" : " ",
                     fmt::join(names, ", "), required),
         disabled});
  }

  void cases(const Variants& variants, int indent, bool disabled, std::set<std::string>& shown,
             Lines& lines) {
    const bool by_presence = variants.key.empty();
    const auto is_active = [&](const Variant& variant) {
      return variant.name == first_case(variants) && (!by_presence || variants.required);
    };
    // The active case first: it shows the keys that other cases have too.
    std::vector<const Variant*> order;
    for (const Variant& variant : variants.of) order.push_back(&variant);
    std::stable_partition(order.begin(), order.end(),
                          [&](const Variant* variant) { return is_active(*variant); });
    for (const Variant* entry : order) {
      const Variant& variant = *entry;
      const bool active = is_active(variant);
      Lines keys;
      for (const Option& option : variant.options) {
        if (!shown.insert(option.key).second) continue;
        append(keys, this->option(option, indent, disabled || !active));
      }
      if (keys.empty()) continue;
      if (!active) {
        const std::string condition =
            by_presence ? "or" : fmt::format("with {}: {}", variants.key, variant.name);
        const std::string help = variant.help.empty() ? "" : ", " + variant.help;
        lines.push_back({indent, "", condition + help + ":", disabled, true});
      }
      append(lines, keys);
    }
  }

  Lines option(const Option& option, int indent, bool disabled) {
    if (is_section(option) && !is_short(option)) return section(option, indent, disabled);
    const bool shows_default = !option.default_value.empty();
    const std::string& value = shows_default ? option.default_value : option.example;
    const bool off = disabled || (!shows_default && !option.required);
    return {{indent, value.empty() ? option.key + ":" : option.key + ": " + value, describe(option),
             off}};
  }

  Lines section(const Option& option, int indent, bool disabled) {
    const bool off = disabled || (option.default_value.empty() && !option.required);
    Lines lines{{indent, option.key + ":", describe(option), off}};
    const Table& inner = *option.table;
    if (open_.contains(&inner)) {
      lines.front().comment += ", keys as above";
      return lines;
    }
    const bool named = option.kind == Kind::named_tables;
    if (named) {
      const std::string name = option.example.empty() ? "name" : option.example;
      lines.push_back({indent + 1, name + ":", "a name of your choice", off});
    }
    Lines keys = table(inner, indent + (option.kind == Kind::table ? 1 : 2), off);
    const auto first = std::find_if(keys.begin(), keys.end(), [&](const Line& line) {
      return !line.prose && line.disabled == off;
    });
    if (option.kind == Kind::tables && first != keys.end()) {
      first->text = "- " + first->text;
      --first->indent;
    }
    const bool empty = std::none_of(keys.begin(), keys.end(),
                                    [](const Line& line) { return !line.prose && !line.disabled; });
    if (empty && !off && option.kind == Kind::table) lines.front().text += " {}";
    append(lines, keys);
    return lines;
  }

  std::set<const Table*> open_;
};

std::string render(const Line& line) {
  const std::string space(static_cast<std::size_t>(2 * line.indent), ' ');
  if (line.prose) return fmt::format("{}# {}\n", space, line.comment);
  std::string text = space + line.text;
  if (line.disabled) text = "# " + text;
  if (line.comment.empty()) return text + "\n";
  return fmt::format("{:<34}  # {}\n", text, line.comment);
}

void list_keys(const std::vector<Option>& options, const std::string& prefix, std::string& out) {
  for (const Option& option : options) {
    const std::string key = prefix + option.key;
    std::string text = describe(option);
    const bool shown = !is_section(option) || is_short(option);
    if (!option.default_value.empty() && shown && option.kind != Kind::free) {
      text += fmt::format(", default {}", option.default_value);
    }
    out += fmt::format("  {:<28} {}\n", key, text);
    if (option.kind == Kind::table && prefix.empty()) {
      list_keys(option.table->options, key + ".", out);
    }
  }
}

}  // namespace

std::string print_defaults(const Schema& schema) {
  std::string out = fmt::format(
      "# mensura-{}: {}\n# Every key with its default. Keys behind # have none or belong to other "
      "cases.\n",
      schema.driver, schema.help);
  for (const Line& line : Template().table(schema.root, 0, false)) {
    if (line.indent == 0) out += "\n";
    out += render(line);
  }
  return out;
}

std::string help_text(const Schema& schema) {
  std::string out =
      fmt::format("Keys of a deck for mensura-{} (all of them: --print-defaults)\n", schema.driver);
  list_keys(schema.root.options, "", out);
  for (const Variants& variants : schema.root.variants) {
    for (const Variant& variant : variants.of) list_keys(variant.options, "", out);
  }
  return out;
}

}  // namespace mensura::input
