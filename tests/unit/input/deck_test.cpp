// SPDX-License-Identifier: BSD-3-Clause
#include "input/deck.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "input/common.hpp"
#include "input/identity.hpp"
#include "parallel/error.hpp"
#include "sample_schema.hpp"

namespace mensura::input {
namespace {

using Strings = std::vector<std::string>;

Deck sample(const Strings& overrides = {}) {
  return parse_deck("some/deck.yaml", test::sample_deck(), test::sample_schema(), overrides);
}

const std::string minimal =
    "sets: {p: {file: a.h5, dataset: /x}}\nquantities: [{name: kl, of: [p, p]}]\n";

TEST(Deck, Values) {
  const Deck deck = sample();
  EXPECT_EQ(deck["confidence"].real(), 0.9);
  EXPECT_EQ(deck["length"].real(), 0.5);
  EXPECT_EQ(deck["title"].text(), "tab\tquote\" backslash\\ newline\n \u00e9");
  EXPECT_EQ(deck["cost"].text(), "squared_euclidean");
  EXPECT_EQ(deck["source"].text(), "x < 0.5 ? sin(pi*x)^2 : -x^2");
  EXPECT_EQ(deck["velocity"].texts(), (Strings{"-x", "t"}));
  EXPECT_EQ(deck["pause"].seconds(), 30);
  EXPECT_EQ(deck["orders"].reals(), (std::vector<double>{0, 0.1, 1}));
  EXPECT_EQ(deck["grid"].integers(), (std::vector<std::int64_t>{3, 4, 5}));
  EXPECT_EQ(deck["fit"].texts(), (Strings{"length", "noise"}));
  const auto edges = deck["edges"].items();
  ASSERT_EQ(edges.size(), 2U);
  EXPECT_EQ(edges[0].items()[1].text(), "a");
  EXPECT_EQ(edges[0].items()[2].real(), 2);
  EXPECT_EQ(edges[1].items()[2].real(), 1);  // left out
  EXPECT_EQ(deck["pair"].items()[1].integer(), 1);
  EXPECT_EQ(deck["time"]["step"].real(), 0.1);
}

TEST(Deck, Sections) {
  const Deck deck = sample();
  const auto sets = deck["sets"].entries();
  ASSERT_EQ(sets.size(), 3U);
  EXPECT_EQ(sets[0].first, "p");
  const FileSource source = read_file_source(sets[0].second);
  EXPECT_EQ(source.file, std::filesystem::current_path() / "some/data/p.h5");
  EXPECT_EQ(source.dataset, "/pixels/coffee");
  EXPECT_EQ(source.rows.start, 10);
  EXPECT_EQ(source.rows.stop, 1000);
  EXPECT_EQ(source.rows.step, 2);
  EXPECT_FALSE(sets[0].second["generate"].present());
  const Node mixture = sets[1].second["generate"];
  EXPECT_EQ(mixture["count"].integer(), 1'000'000);
  const Node gaussian = mixture["components"].items()[0];
  EXPECT_EQ(gaussian["weight"].real(), 0.25);
  EXPECT_EQ(gaussian["mean"].reals(), (std::vector<double>{0, 0, 1}));
  const Matrix covariance = gaussian["covariance"].matrix();
  EXPECT_EQ(covariance.rank, 2);
  EXPECT_EQ(covariance.rows, 3);
  EXPECT_EQ(covariance.columns, 3);
  EXPECT_EQ(covariance.values, (std::vector<double>{2, 0, 0, 0, 1, 0, 0, 0, 1}));
  EXPECT_FALSE(gaussian["rate"].present());  // a key of another law
  const Node plain = sets[2].second["generate"];
  EXPECT_EQ(plain["mean"].reals(), std::vector<double>{0.5});  // a scalar is a list of one
  EXPECT_EQ(plain["mean"].matrix().rank, 0);
  EXPECT_EQ(plain["covariance"].matrix().rank, 1);
  const auto quantities = deck["quantities"].items();
  ASSERT_EQ(quantities.size(), 3U);
  EXPECT_EQ(quantities[0]["name"].text(), "kl");  // the shorthand
  EXPECT_EQ(quantities[0]["of"].texts(), (Strings{"p", "q"}));
  EXPECT_EQ(quantities[1]["neighbours"].integer(), 10);
  EXPECT_FALSE(quantities[2]["order"].present());
}

TEST(Deck, IntegerOrList) {
  Schema schema{.driver = "test"};
  schema.root.options = {{.key = "grid",
                          .kind = Kind::integer_or_list,
                          .default_value = "11",
                          .range = ">= 2",
                          .length = "[1, 3]"}};
  check_schema(schema);
  using Integers = std::vector<std::int64_t>;
  const auto read = [&](const std::string& text) { return parse_deck("d", text, schema); };
  EXPECT_EQ(read("{}")["grid"].integers(), Integers{11});
  EXPECT_EQ(read("grid: 1e3")["grid"].integers(), Integers{1000});
  EXPECT_EQ(read("grid: [3, 4]")["grid"].integers(), (Integers{3, 4}));
  EXPECT_EQ(read("grid: 9007199254740993").resolved_yaml(), "grid: 9007199254740993\n");
  EXPECT_EQ(read("grid: [3, 4]").resolved_yaml(), "grid: [3, 4]\n");
  const auto refusal = [&](const std::string& text) -> std::string {
    try {
      read(text);
    } catch (const parallel::Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(refusal("grid: 2.5").find("found '2.5'; expected an integer >= 2"), std::string::npos);
  EXPECT_NE(refusal("grid: [3, 1]").find("grid.1: found '1'"), std::string::npos);
  EXPECT_NE(refusal("grid: [2, 2, 2, 2]").find("found 4 entries"), std::string::npos);
  EXPECT_NE(refusal("grid: [[2]]").find("found a list of lists; expected an integer or list"),
            std::string::npos);
}

TEST(Deck, MarksAndPaths) {
  const Deck deck = sample({"run.seed=5"});
  const Node order = deck["quantities"].items()[1]["order"];
  EXPECT_EQ(order.key_path(), "quantities.1.order");
  EXPECT_EQ(order.mark().text(), "some/deck.yaml:15:26");
  EXPECT_TRUE(order.given());
  EXPECT_EQ(deck["run"]["seed"].mark().text(), "--set run.seed=5");
  const Node every = deck["run"]["checkpoint_every"];
  EXPECT_FALSE(every.given());
  EXPECT_TRUE(every.present());
  EXPECT_EQ(every.mark().line, 32);  // of the section in which it would stand
}

TEST(Deck, CommonSections) {
  const Deck deck = sample();
  const RunKeys run = read_run(deck.root());
  EXPECT_EQ(run.wall_time, 93784);
  EXPECT_EQ(run.checkpoint_every, 600);
  EXPECT_EQ(run.seed, 42U);
  EXPECT_TRUE(run.reproducible);
  const OutputKeys output = read_output(deck.root());
  EXPECT_EQ(output.folder, "out/sample");
  EXPECT_FALSE(output.fields);
  EXPECT_FALSE(output.overwrite);
  using Options = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(petsc_options(deck.root(), "sample_"), (Options{{"-sample_newton_ksp_rtol", "1e-8"},
                                                            {"-sample_newton_ksp_monitor", ""},
                                                            {"-sample_newton_pc_type", "none"},
                                                            {"-sample_newton_sizes", "1,2"}}));
  const Deck plain = parse_deck("some/name.yaml", minimal, test::sample_schema());
  EXPECT_EQ(read_output(plain.root()).folder, "out/name");
  EXPECT_FALSE(read_run(plain.root()).wall_time.has_value());
}

TEST(Deck, ProgrammingErrorsAreInternal) {
  const Deck deck = sample();
  const auto expect_internal = [](const std::function<void()>& action) {
    try {
      action();
      ADD_FAILURE() << "accepted";
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::internal);
    }
  };
  expect_internal([&] { deck["confidnce"]; });
  expect_internal([&] { static_cast<void>(deck["confidence"].text()); });
  expect_internal([&] { static_cast<void>(deck["confidence"]["x"]); });
  expect_internal([&] { static_cast<void>(deck["quantities"].items()[0]["order"].real()); });
  expect_internal([&] { static_cast<void>(deck["run"].items()); });
}

TEST(Deck, NodesOutliveTheirDeck) {
  const auto node = [] { return sample()["quantities"].items()[1]["order"]; }();
  EXPECT_EQ(node.real(), 0.5);
}

TEST(Deck, AliasesAndMergeKeys) {
  const Deck deck = parse_deck("deck.yaml",
                               "sets: {p: &s {file: a.h5, dataset: /x}, q: {<<: *s, dataset: /y}, "
                               "r: {<<: [*s], rows: {stop: 5}}, s: *s}\nquantities: [kl]\n",
                               test::sample_schema());
  EXPECT_EQ(deck["sets"]["q"]["dataset"].text(), "/y");
  EXPECT_EQ(deck["sets"]["q"]["file"].path().filename(), "a.h5");
  EXPECT_EQ(deck["sets"]["r"]["dataset"].text(), "/x");
  EXPECT_EQ(deck["sets"]["s"]["dataset"].text(), "/x");
}

TEST(Deck, ByteOrderMarkAndWindowsLines) {
  std::string text = "\xEF\xBB\xBF";
  for (const char c : minimal + "length: 2\n") text += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(parse_deck("deck.yaml", text, test::sample_schema())["length"].real(), 2);
}

// The end of the text may be marked, or be inside a comment or a block.
TEST(Deck, Ends) {
  const Schema schema = test::sample_schema();
  for (const char* end : {"", "...\n", "...", "# comment", "\n\n", "title: |\n  text",
                          "title: |+\n  text\n", "title: >-\n  text\n\n", "title: \"a\n\n  b\""}) {
    SCOPED_TRACE(end);
    EXPECT_NO_THROW(parse_deck("deck.yaml", minimal + end, schema));
  }
  EXPECT_EQ(parse_deck("deck.yaml", minimal + "title: |\n  text", schema)["title"].text(),
            "text\n");
}

TEST(Deck, EnvironmentVariables) {
  ::setenv("MENSURA_TEST_FOLDER", "/data/set one", 1);
  ::unsetenv("MENSURA_TEST_UNSET");
  const std::string text =
      "sets: {p: {file: \"${MENSURA_TEST_FOLDER}/../a.h5\", dataset: \"${NOT_A_PATH}\"}}\n"
      "quantities: [{name: kl, of: [p, p]}]\n";
  const Variables variables = environment_of(text + "${MENSURA_TEST_UNSET} ${");
  EXPECT_EQ(variables, (Variables{{"MENSURA_TEST_FOLDER", "/data/set one"}}));
  const Deck deck = parse_deck("deck.yaml", text, test::sample_schema(), {}, variables);
  EXPECT_EQ(deck["sets"]["p"]["file"].path(), "/data/a.h5");
  EXPECT_EQ(deck["sets"]["p"]["dataset"].text(), "${NOT_A_PATH}");
}

TEST(Overrides, ValuesAndNewKeys) {
  const Deck deck =
      sample({"confidence=0.5", "confidence=0.6", "quantities.1.order=0.3", "quantities.3=tsallis",
              "quantities.3={name: tsallis, order: 0.1}", "quantities.4.name=kl",
              "sets.p.rows={stop: 7}", "run.seed=1e3",
              "source=sin(x)=="
              "1",
              "petsc.outer.ksp_rtol=1e-3", "sets.new.file=b.h5", "sets.new.dataset=/n"});
  EXPECT_EQ(deck["confidence"].real(), 0.6);
  const auto quantities = deck["quantities"].items();
  ASSERT_EQ(quantities.size(), 5U);
  EXPECT_EQ(quantities[1]["order"].real(), 0.3);
  EXPECT_EQ(quantities[3]["order"].real(), 0.1);
  EXPECT_EQ(quantities[4]["name"].text(), "kl");
  EXPECT_EQ(deck["sets"]["p"]["rows"]["start"].integer(), 0);
  EXPECT_EQ(deck["run"]["seed"].integer(), 1000);
  EXPECT_EQ(deck["source"].text(), "sin(x)==1");
  EXPECT_EQ(deck["sets"]["new"]["dataset"].text(), "/n");
  EXPECT_EQ(petsc_options(deck.root(), "").back().first, "-outer_ksp_rtol");
}

TEST(Resolved, RoundTrip) {
  const Deck deck = sample();
  const std::string resolved = deck.resolved_yaml();
  const Deck again = parse_deck("another/place.yaml", resolved, test::sample_schema());
  EXPECT_EQ(again.resolved_yaml(), resolved);
  EXPECT_EQ(again["title"].text(), deck["title"].text());
  EXPECT_EQ(again["sets"]["p"]["file"].path(), deck["sets"]["p"]["file"].path());
}

TEST(Resolved, TextsThatLookLikeSomethingElse) {
  for (const std::string text :
       {"5",      "true", "null", "~",  "a: b", "- a", "# c",    "'",    "\"",   " a ",
        "a\nb\n", "&x",   "*x",   "!x", "{a}",  "[a]", "%",      "@",    "`",    "\\",
        "010",    "1e5",  "<<",   "?",  "|",    ">",   "é ü 数", "a #b", "a\tb", "---"}) {
    SCOPED_TRACE(text);
    const std::string quoted = fmt::format("'{}'", text == "'" ? "''" : text);
    // Line ends inside single quotes would be folded; write those texts in double quotes.
    const std::string yaml = text == "a\nb\n" ? "\"a\\nb\\n\"" : quoted;
    const Deck deck =
        parse_deck("d.yaml", minimal + "title: " + yaml + "\n", test::sample_schema());
    ASSERT_EQ(deck["title"].text(), text);
    const Deck again = parse_deck("d.yaml", deck.resolved_yaml(), test::sample_schema());
    EXPECT_EQ(again["title"].text(), text);
  }
}

TEST(Identity, Sha256) {
  // FIPS 180-2, appendix B.1, and the empty message.
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const Deck deck = sample({"confidence=0.5"});
  EXPECT_EQ(deck.sha256(), sha256(test::sample_deck()));  // overrides do not count
}

TEST(Identity, HashIgnoresSpellingAndExcludedKeys) {
  const Schema schema = test::sample_schema();
  const auto hash = [&](const std::string& more, const Strings& excluded = {}) {
    return problem_hash(parse_deck("d.yaml", minimal + more, schema), excluded);
  };
  EXPECT_EQ(hash(""), hash("# comment\nconfidence: 95e-2\nrun: {seed: 1}\n"));
  EXPECT_EQ(hash("run: {seed: 2}\nlength: 1\n"), hash("length: 1.0\nrun: {seed: 2}\n"));
  EXPECT_NE(hash(""), hash("confidence: 0.9\n"));
  EXPECT_NE(hash("run: {wall_time: 00:10:00}\n"), hash(""));
  EXPECT_EQ(hash("run: {wall_time: 00:10:00}\noutput: {fields: false}\n", restart_free_keys()),
            hash("", restart_free_keys()));
  EXPECT_NE(hash("run: {seed: 2}\n", restart_free_keys()), hash("", restart_free_keys()));
}

TEST(Identity, DifferingKeysAreNamed) {
  const std::string before = sample().resolved_yaml();
  const std::string now = sample({"quantities.1.order=0.3", "run.wall_time=00:00:01", "fit=[noise]",
                                  "sets.p.file=other.h5", "sets.r.generate.covariance=[1, 3]"})
                              .resolved_yaml();
  EXPECT_EQ(differing_keys(before, before), Strings{});
  EXPECT_EQ(differing_keys(before, now, {"run.wall_time", "sets.*.file"}),
            (Strings{"fit: [length, noise] is now [noise]", "quantities.1.order: 0.5 is now 0.3",
                     "sets.r.generate.covariance: [1, 2] is now [1, 3]"}));
  const Schema schema = test::sample_schema();
  const std::string with = parse_deck("d.yaml", minimal + "length: 1\n", schema).resolved_yaml();
  const std::string without = parse_deck("d.yaml", minimal, schema).resolved_yaml();
  EXPECT_EQ(differing_keys(with, without), Strings{"length: 1 is now absent"});
  EXPECT_EQ(differing_keys(without, with), Strings{"length: absent is now 1"});
  for (const char* damaged : {"a: [", "", "- 1\n", "5"}) {
    try {
      differing_keys(damaged, with);
      ADD_FAILURE() << "accepted";
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
    }
  }
}

TEST(Suggestions, Nearest) {
  const Strings names{"kl", "js", "renyi", "tsallis", "squared_euclidean"};
  EXPECT_EQ(nearest("kll", names), "kl");
  EXPECT_EQ(nearest("KL", names), "kl");
  EXPECT_EQ(nearest("reniy", names), "renyi");
  EXPECT_EQ(nearest("tsalis", names), "tsallis");
  EXPECT_EQ(nearest("squared", names), "squared_euclidean");
  EXPECT_EQ(nearest("q", names), "");
  EXPECT_EQ(nearest("k", names), "");
  EXPECT_EQ(nearest("", names), "");
}

}  // namespace
}  // namespace mensura::input
