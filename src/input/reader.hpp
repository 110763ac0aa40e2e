// SPDX-License-Identifier: BSD-3-Clause
// Applies the option tables to a tree as written; of concern inside this folder only.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "input/deck.hpp"
#include "input/numbers.hpp"
#include "input/schema.hpp"
#include "input/value.hpp"
#include "input/yaml_tree.hpp"

namespace mensura::input {

/// "an integer in [1, 4096]": what a message says was expected.
std::string expected_text(const Option& option);

/// "'abc'", "nothing", "a list", "a section".
std::string found_text(const RawNode& node);

/// Checks values against options and fills defaults. Errors are collected, never thrown.
class Reader {
 public:
  using ValuePtr = std::shared_ptr<Value>;

  Reader(Diagnostics& diagnostics, const Variables& variables, std::filesystem::path folder)
      : diagnostics_(diagnostics), variables_(variables), folder_(std::move(folder)) {}

  /// The section as a whole; `raw` is nullptr where only the defaults are wanted.
  ValuePtr read_table(const Table& table, const RawNode* raw, const std::string& path,
                      const Mark& mark);
  /// One key's value as written.
  ValuePtr read_option(const Option& option, const RawNode& raw, const std::string& path);
  /// The value of a key that is not in the deck: default, error or absent. `section` is where the
  /// key would stand.
  ValuePtr read_missing(const Option& option, const std::string& path, const Mark& section);

  /// Runs the checks of all tables read so far.
  void run_checks(const ValuePtr& root);

 private:
  struct ActiveKeys;

  // reader.cpp: sections.
  void read_into(const Table& table, const RawNode& raw, Value& section);
  ActiveKeys choose(const Table& table, const RawNode& raw, const std::string& path);
  void choose_by_value(const Variants& variants, const RawNode& raw, ActiveKeys& active);
  void choose_by_presence(const Variants& variants, const RawNode& raw, const std::string& path,
                          ActiveKeys& active);
  void report_unknown(const Table& table, const RawNode& raw, const std::string& path,
                      const ActiveKeys& active);
  void read_section(const Option& option, const RawNode& raw, Value& value);
  void read_named(const Option& option, const RawNode& raw, Value& value);
  void read_sections(const Option& option, const RawNode& raw, Value& value);
  void read_free(const RawNode& raw, Value& value, bool inside);

  // reader_values.cpp: scalars, lists, tuples.
  void read_value(const Option& option, const RawNode& raw, Value& value);
  void read_scalar(const Option& option, const RawNode& raw, Value& value);
  void read_number(const Option& option, const RawNode& raw, Value& value);
  void read_word(const Option& option, const RawNode& raw, Value& value);
  void read_file_name(const RawNode& raw, const Option& option, Value& value);
  void read_list(const Option& option, const RawNode& raw, Value& value);
  void read_matrix(const Option& option, const RawNode& raw, Value& value);
  void read_tuple(const Option& option, const RawNode& raw, Value& value);
  void check_length(const Option& option, std::size_t number, Value& value);
  bool expand(const std::string& text, Value& value, std::string& expanded);

  // "found X; expected Y" with advice; the value is bad from then on.
  void reject(Value& value, const std::string& found, const std::string& expected,
              const std::string& advice = {});

  Diagnostics& diagnostics_;
  const Variables& variables_;
  std::filesystem::path folder_;
  bool given_ = true;    // the value at hand stands in the deck
  Mark default_mark_{};  // of values that do not
  std::vector<std::pair<const Table*, ValuePtr>> tables_;
};

}  // namespace mensura::input
