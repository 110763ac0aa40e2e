// SPDX-License-Identifier: BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "input/common.hpp"
#include "input/deck.hpp"
#include "parallel/error.hpp"
#include "sample_schema.hpp"

namespace mensura::input {
namespace {

using testing::HasSubstr;

TEST(Pages, TemplateIsADeckOnceItsNamesFit) {
  const Schema schema = test::sample_schema();
  const std::string page = print_defaults(schema);
  // The example has one set, p; the default of `of` is [p, q].
  const Deck deck = parse_deck("deck.yaml", page, schema, {"quantities.0.of=[p, p]"});
  EXPECT_EQ(deck["confidence"].real(), 0.95);
  EXPECT_EQ(deck["output"]["folder"].path(), "out/deck");
  EXPECT_FALSE(deck["length"].present());
  EXPECT_THAT(
      page, HasSubstr("# length:                           # length scale [m] (real number, > 0)"));
  EXPECT_THAT(page, HasSubstr("keys as above"));
}

TEST(Pages, TemplateHasTheSameDefaultsAsAnEmptySection) {
  const Schema schema = test::sample_schema();
  const std::vector<std::string> same{"quantities.0.of=[p, p]"};
  const std::string minimal =
      "sets: {p: {file: data.h5, dataset: /points}}\nquantities: [{name: kl, of: [p, p]}]\n";
  EXPECT_EQ(parse_deck("deck.yaml", print_defaults(schema), schema, same).resolved_yaml(),
            parse_deck("deck.yaml", minimal, schema).resolved_yaml());
}

TEST(Pages, HelpNamesEveryTopLevelKey) {
  const Schema schema = test::sample_schema();
  const std::string help = help_text(schema);
  for (const Option& option : schema.root.options)
    EXPECT_THAT(help, HasSubstr("\n  " + option.key));
  EXPECT_THAT(help, HasSubstr("run.seed"));
}

TEST(Pages, Reference) {
  const std::string page = reference_page({test::sample_schema()});
  EXPECT_THAT(page, HasSubstr("## mensura-sample\n"));
  EXPECT_THAT(page, HasSubstr("| `length` | real number |  | m | `> 0` | length scale |\n"));
  EXPECT_THAT(page, HasSubstr("### `quantities.0`\n"));
  EXPECT_THAT(page, HasSubstr("With `name: renyi`, `name: tsallis`\n"));
  EXPECT_THAT(page, HasSubstr("| `neighbours` | integer | `100` |  | `[1, 4096]` |"));
  EXPECT_THAT(page, HasSubstr("| `-sample_newton_` | Newton's linear solves |\n"));
  // A table that contains itself is described once and then referred to.
  const std::string heading = "### `sets.NAME.generate.components.0`\n";
  EXPECT_THAT(page, HasSubstr(heading));
  EXPECT_EQ(page.find(heading), page.rfind(heading));
}

void expect_contradiction(Table table, const std::string& text) {
  Schema schema{.driver = "wrong", .root = std::move(table)};
  try {
    check_schema(schema);
    ADD_FAILURE() << "accepted; expected: " << text;
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::internal);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

// A section with a shorthand, two cases with a key of the same name, and two tables at one path.
Schema field_schema() {
  const auto field = [](std::vector<std::string> variables) {
    return Table{.name = "field",
                 .variants = {{.of = {{.name = "expression",
                                       .options = {{.key = "expression",
                                                    .kind = Kind::expression,
                                                    .variables = std::move(variables)}}},
                                      {.name = "file", .options = {{.key = "file"}}}}}},
                 .shorthand = "expression"};
  };
  const auto source = [&](std::vector<std::string> variables, const char* value) {
    return Option{.key = "source",
                  .kind = Kind::table,
                  .default_value = value,
                  .table = field(std::move(variables))};
  };
  Schema schema{.driver = "fields"};
  schema.root.variants = {{.key = "name",
                           .default_value = "steady",
                           .of = {{.name = "wave", .options = {source({"x", "t"}, "t")}},
                                  {.name = "steady", .options = {source({"x"}, "x")}}}}};
  return schema;
}

TEST(Pages, SectionsWithShorthand) {
  const Schema schema = field_schema();
  check_schema(schema);
  const std::string page = print_defaults(schema);
  EXPECT_THAT(page, HasSubstr("\nsource: x "));  // of the default case, although it comes second
  EXPECT_THAT(page, HasSubstr("section or its expression"));
  const Deck deck = parse_deck("deck.yaml", page, schema);
  EXPECT_EQ(deck["source"]["expression"].text(), "x");
  EXPECT_FALSE(deck["source"]["file"].present());
  const std::string reference = reference_page({schema});
  EXPECT_THAT(reference, HasSubstr("### `source`\n"));
  EXPECT_THAT(reference, HasSubstr("### `source (name: steady)`\n"));
  EXPECT_THAT(reference, HasSubstr("see `source (name: steady)` |"));
}

TEST(Schema, Sample) {
  EXPECT_NO_THROW(check_schema(test::sample_schema()));
}

TEST(Schema, Contradictions) {
  expect_contradiction({.options = {{.key = "a", .kind = Kind::integer, .default_value = "1.5"}}},
                       "found '1.5'");
  expect_contradiction(
      {.options = {{.key = "a", .kind = Kind::real, .default_value = "2", .range = "(0, 1)"}}},
      "found '2'");
  expect_contradiction({.options = {{.key = "a"}, {.key = "a"}}}, "the key a occurs twice");
  expect_contradiction({.options = {{.key = "a", .kind = Kind::real, .range = "0 to 1"}}},
                       "unreadable range");
  expect_contradiction({.options = {{.key = "a", .kind = Kind::table}}}, "kind and table");
  expect_contradiction({.options = {{.key = "a", .kind = Kind::choice}}}, "no choices");
  expect_contradiction({.options = {{.key = "a", .kind = Kind::tuple}}}, "kind and elements");
  expect_contradiction({.options = {{.key = "a", .default_value = "x", .required = true}}},
                       "required with default");
  expect_contradiction({.variants = {{.of = {{.name = "a"}}}}}, "no key of that name");
  expect_contradiction({.variants = {{.key = "k", .default_value = "b", .of = {{.name = "a"}}}}},
                       "is not one of its variants");
  expect_contradiction({.options = {{.key = "a"}}, .hints = {{"a", "b"}}}, "a hint stands for");
}

}  // namespace
}  // namespace mensura::input
