// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mensura::input {

class Node;
class Diagnostics;
struct Table;

/// What a key holds. Lists of scalars also accept a single scalar as a list of one, where the
/// comment says so.
enum class Kind {
  boolean,          ///< true or false
  integer,          ///< signed, 64 bit; decimal, with an exponent (1e6) where the value is integral
  real,             ///< finite double
  text,             ///< any scalar
  choice,           ///< one of `choices`
  expression,       ///< formula in `variables` (expression.hpp), checked when the deck is read
  duration,         ///< hh:mm:ss or d-hh:mm:ss
  path,             ///< input file, relative to the deck; ${NAME} expands environment variables
  folder,           ///< output folder, relative to the working directory; ${NAME} expands
  reals,            ///< list of reals
  integers,         ///< list of integers
  texts,            ///< list of text (of `choices`, if there are any)
  expressions,      ///< list of expressions; a single one is a list of one
  real_or_list,     ///< scalar or list of reals
  integer_or_list,  ///< scalar or list of integers
  real_vector_or_matrix,  ///< scalar, list or list of equally long lists of reals (a covariance)
  tuple,                  ///< list of mixed scalars, described by position in `elements`
  tuples,                 ///< list of tuples
  table,                  ///< a section, described by `table`
  named_tables,           ///< sections under names chosen by the user ([A-Za-z_][A-Za-z0-9_]*)
  tables,                 ///< list of sections
  free,                   ///< nested keys of the user's choice with scalar values (petsc)
};

/// A section's table by value, or the function that returns it where tables contain themselves (a
/// mixture of laws): the function is only called when the table is needed.
class TableRef {
 public:
  TableRef() = default;
  TableRef(Table table);  // NOLINT(google-explicit-constructor): a table is its own reference
  TableRef(const Table& (*source)()) : source_(source) {}  // NOLINT(google-explicit-constructor)
  explicit operator bool() const { return static_cast<bool>(source_); }
  const Table& operator*() const { return source_(); }
  const Table* operator->() const { return &source_(); }

 private:
  std::function<const Table&()> source_{};
};

/// One key of a section. The only source of its parsing, checking, default, help and reference.
struct Option {
  std::string key{};
  Kind kind = Kind::text;
  /// As it would stand in the deck (YAML). Empty: no default; the key is then absent unless given.
  /// A section with default "{}" is always there, filled with the defaults of its own keys. In a
  /// path or folder ${DECK} may stand for the deck's name, but no environment variable.
  std::string default_value{};
  std::string unit{};
  /// "> 0", ">= 0", "< 1", "<= 1", "(0, 1)", "[1, 4096]", "[0, 1)"; of each number of a list;
  /// seconds for a duration.
  std::string range{};
  std::vector<std::string> choices{};
  std::string help{};  ///< one line
  bool required = false;
  std::string length{};   ///< number of entries of a list or of named sections, as a range
  std::string example{};  ///< what --print-defaults shows where there is no default (YAML)
  std::vector<std::string> variables = {"x", "y", "z", "t"};  ///< of an expression
  std::vector<Option> elements{};  ///< of a tuple; trailing ones with defaults may be left out
  TableRef table{};                ///< of table, named_tables, tables
};

/// A check across keys: `here` is one occurrence of the table, `root` the whole deck. Reads what it
/// needs and reports to `Diagnostics`; it ends quietly where it reads a value that already has an
/// error, so keep one subject per check.
using Check = std::function<void(const Node& here, const Node& root, Diagnostics& diagnostics)>;

/// Keys that exist only in one case.
struct Variant {
  std::string name{};
  std::string help{};
  std::vector<Option> options{};
};

/// Cases of a section: chosen by the value of `key` (law: gaussian), or, with an empty `key`, by
/// which of the variants' names is present as a key (file: or generate:; the name must then be one
/// of the variant's options).
struct Variants {
  std::string key{};
  std::string default_value{};  ///< of the key; empty: the key is required
  std::string help{};
  std::vector<Variant> of{};
  bool required = true;  ///< by presence: exactly one of them; false: at most one
};

/// Advice for a key that users may try: a former name, or that of another program.
struct Hint {
  std::string key{};
  std::string advice{};
};

/// A short way to write two keys: `key: VALUE` stands for `stands_for: VALUE` and `also: as`. Taken
/// where neither of the two is given, or the second as it would be.
struct Alias {
  std::string key{};
  std::string stands_for{};
  std::string also{};
  std::string as{};
};

/// The keys of a section.
struct Table {
  std::string name{};  ///< heading in the reference where the table stands by itself
  std::string help{};
  std::vector<Option> options{};
  std::vector<Variants> variants{};
  std::string shorthand{};  ///< key that a scalar in place of the section gives (kl = {name: kl})
  std::vector<Hint> hints{};
  std::vector<Check> checks{};
  std::vector<Alias> aliases{};
};

/// A prefix of PETSc options that a driver uses ("transport_newton_").
struct PetscPrefix {
  std::string prefix{};
  std::string help{};
};

/// All of a driver's deck.
struct Schema {
  std::string driver{};  ///< "divergence": the program is mensura-divergence
  std::string help{};
  Table root{};
  std::vector<PetscPrefix> petsc_prefixes{};
};

/// "integer", "list of reals", "one of pair, star": the words used in messages and in the
/// reference.
std::string type_name(const Option& option);

/// Local. Throws Error{internal} when the tables contradict themselves: a default that is not a
/// value of its own key, an unreadable range, a key twice, a section without table.
void check_schema(const Schema& schema);

/// A deck with every key at its default, each with type, unit, range and help as a comment. Keys
/// without default show their example or stand as a comment.
std::string print_defaults(const Schema& schema);

/// The keys for --help: one line each.
std::string help_text(const Schema& schema);

/// inputs/REFERENCE.md: one chapter per driver.
std::string reference_page(const std::vector<Schema>& schemas);

}  // namespace mensura::input
