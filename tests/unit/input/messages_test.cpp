// SPDX-License-Identifier: BSD-3-Clause
// Every class of error with its exact text. {S} stands for a valid `sets` line, {Q} for a valid
// `quantities` line, so that most decks have exactly the one error that is meant.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "input/deck.hpp"
#include "parallel/error.hpp"
#include "sample_schema.hpp"

namespace mensura::input {
namespace {

struct Case {
  const char* name;
  std::string deck;
  std::vector<std::string> lines;  // expected, without "deck.yaml:" where a position follows
  std::vector<std::string> overrides{};
};

const std::string sets = "sets: {p: {file: a.h5, dataset: /x}}\n";
const std::string quantities = "quantities: [{name: kl, of: [p, p]}]\n";
const std::string base = sets + quantities;  // two valid lines: what follows is line 3

std::string top_keys() {
  return "found an unknown key; expected one of mensura, sets, quantities, confidence, length, "
         "title, cost, source, velocity, pause, orders, grid, fit, edges, pair, time, output, run, "
         "petsc";
}

std::string not_yaml(const std::string& why) {
  return "the text is not YAML: " + why +
         "; check indentation, colons, brackets and quotes here and in the line above";
}

std::vector<Case> yaml_cases() {
  return {
      {"empty", "", {"1:1: found an empty deck; --print-defaults writes one to start from"}},
      {"comment only",
       "# nothing\n",
       {"1:1: found an empty deck; --print-defaults writes one to start from"}},
      {"list", "- a\n", {"1:1: found a list; expected a section of keys"}},
      {"scalar", "kl\n", {"1:1: found 'kl'; expected a section of keys"}},
      {"unclosed", "sets: {p: {}\nq: 1\n", {"2:1: " + not_yaml("end of map flow not found")}},
      {"unclosed quote",
       "title: \"abc\n",
       {"2:1: the text ends inside quotes; check for a quote that is not closed"}},
      {"unclosed single quote",
       "title: 'abc",
       {"2:1: the text ends inside quotes; check for a quote that is not closed"}},
      {"tab", base + "run:\n\tseed: 1\n", {"4:1: found a tab in the indentation; expected spaces"}},
      {"two documents",
       base + "---\na: 1\n",
       {"3:1: found a second YAML document; expected one deck per file"}},
      {"tag",
       base + "title: !!str 5\n",
       {"3:8: found the tag 'tag:yaml.org,2002:str'; decks have no tags"}},
      {"unknown anchor",
       "sets: *x\n",
       {"1:7: " + not_yaml("the referenced anchor is not defined")}},
      {"alias in itself", "sets: &a [*a]\n", {"1:11: found an alias inside its own anchor"}},
      {"list as key", "? [a]\n: b\n", {"1:3: found a key that is not a word"}},
      {"merge of a scalar",
       base + "run: {<<: 5}\n",
       {"3:7: found a merge key that does not name a section; expected <<: *name"}},
      {"NUL",
       base + "title: a" + std::string(1, '\0') + "b\n",
       {"3:9: found the control character 0x00; expected a YAML text file"}},
      {"Latin 1",
       base + "title: \xE9t\xE9\n",
       {"3:8: found bytes that are not UTF-8; expected a YAML text file"}},
      {"UTF-16",
       "\xFF\xFEs\0e\0",
       {"1:1: found bytes that are not UTF-8; expected a YAML text file"}},
      {"overlong UTF-8",
       base + "title: \xC0\xAF\n",
       {"3:8: found bytes that are not UTF-8; expected a YAML text file"}},
      {"deep",
       base + "title: " + std::string(100'000, '[') + "\n",
       {"3:40: found more than 64 nested levels"}},
  };
}

std::vector<Case> key_cases() {
  return {
      {"unknown key",
       base + "confidnce: 0.9\n",
       {"3:1: confidnce: " + top_keys() + "; did you mean 'confidence'?"}},
      {"capitals",
       base + "Length: 1\n",
       {"3:1: Length: " + top_keys() + "; did you mean 'length'?"}},
      {"far from any key", base + "zzz: 1\n", {"3:1: zzz: " + top_keys()}},
      {"nested unknown key",
       base + "run: {sed: 5}\n",
       {"3:7: run.sed: found an unknown key; expected one of wall_time, checkpoint_every, seed, "
        "reproducible; did you mean 'seed'?"}},
      {"duplicate key",
       base + "length: 1\nlength: 2\n",
       {"4:1: length: found the key a second time; expected it once (first at line 3)"}},
      {"duplicate name",
       "sets:\n  p: {file: a, dataset: b}\n  p: {file: a, dataset: b}\n" + quantities,
       {"3:3: sets.p: found the key a second time; expected it once (first at line 2)"}},
      {"missing keys",
       "{}\n",
       {"1:1: sets: found no such key; expected named sections with at least 1 entry (sets of "
        "points)",
        "1:1: quantities: found no such key; expected a list of sections with at least 1 entry "
        "(what to estimate)"}},
      {"missing in a section",
       base + "time: {step: 1}\n",
       {"3:7: time.final: found no such key; expected a real number"}},
      {"bad name",
       "sets: {1p: {file: a, dataset: b}, p: {file: a, dataset: b}}\n" + quantities,
       {"1:8: sets: found the name '1p'; expected letters, digits and _, at most 64, not starting "
        "with a digit"}},
      {"no sets",
       "sets: {}\nquantities: [{name: kl, of: [p, p]}]\n",
       {"1:7: sets: found 0 entries; expected at least 1 entry"}},
      {"section instead of list",
       sets + "quantities: {name: kl}\n",
       {"2:13: quantities: found a section of keys; expected a list of sections with at least 1 "
        "entry; start each entry with '- '"}},
      {"list instead of section",
       base + "run: [1]\n",
       {"3:6: run: found a list; expected a section of keys"}},
      {"key of another case",
       sets + "quantities: [{name: kl, of: [p, p], order: 0.5}]\n",
       {"2:37: quantities.0.order: found an unknown key; expected one of name, method, of; it "
        "belongs to name: renyi, tsallis"}},
      {"hint",
       sets + "quantities: [{name: renyi, of: [p, p], alpha: 0.5, order: 0.5}]\n",
       {"2:40: quantities.0.alpha: found an unknown key; expected one of name, order, method, of; "
        "the order is called 'order'"}},
      {"wrong case",
       sets + "quantities: [{name: reny, of: [p, p], order: 0.5}]\n",
       {"2:21: quantities.0.name: found 'reny'; expected one of kl, js, renyi, tsallis; did you "
        "mean 'renyi'?"}},
      {"no case",
       "sets: {p: {dataset: /y}}\n" + quantities,
       {"1:11: sets.p: found none of the keys file, generate; expected one of them"}},
      {"misspelt case",
       "sets: {p: {fil: a, dataset: /y}}\n" + quantities,
       {"1:12: sets.p.fil: found an unknown key; expected one of file, dataset, rows, generate; "
        "did "
        "you mean 'file'?"}},
      {"two cases",
       "sets: {p: {file: a, dataset: b, generate: {law: gaussian, mean: 0, count: 1}}}\n" +
           quantities,
       {"1:33: sets.p.generate: found both 'file' and 'generate'; expected one of file, generate"}},
      {"inside a mixture",
       "sets: {p: {generate: {law: mixture, count: 1, components: [{law: exponential, rte: "
       "1}]}}}\n" +
           quantities,
       {"1:79: sets.p.generate.components.0.rte: found an unknown key; expected one of law, rate, "
        "weight; did you mean 'rate'?"}},
  };
}

std::vector<Case> number_cases() {
  const std::string start = sets + "quantities: [{name: kl, of: [p, p], method: nnr, neighbours: ";
  const std::string where = "2:62: quantities.0.neighbours: found ";
  const std::string what = "; expected an integer in [1, 4096]";
  return {
      {"octal",
       start + "010}]\n",
       {where + "'010'" + what + "; leading zeros are not allowed: write 10"}},
      {"hexadecimal", start + "0x10}]\n", {where + "'0x10'" + what + "; write it in decimal"}},
      {"quoted", start + "\"10\"}]\n", {where + "the text '10'" + what + "; leave the quotes out"}},
      {"fraction", start + "1.5e0}]\n", {where + "'1.5e0'" + what + "; the value is not integral"}},
      {"point",
       start + "10.0}]\n",
       {where + "'10.0'" + what + "; an integer has no decimal point"}},
      {"huge",
       start + "1e30}]\n",
       {where + "'1e30'" + what + "; the value is beyond 64-bit integers"}},
      {"separator", start + "1_000}]\n", {where + "'1_000'" + what + "; write 1000"}},
      {"above", start + "4097}]\n", {where + "'4097'" + what}},
      {"nothing", start + "}]\n", {"2:62: quantities.0.neighbours: found nothing" + what}},
      {"boolean yes",
       base + "output: {overwrite: yes}\n",
       {"3:21: output.overwrite: found 'yes'; expected true or false; write true"}},
      {"boolean 0",
       base + "output: {fields: 0}\n",
       {"3:18: output.fields: found '0'; expected true or false; write false"}},
      {"infinite",
       base + "length: .inf\n",
       {"3:9: length: found '.inf'; expected a real number > 0 (m); numbers must be finite"}},
      {"overflow",
       base + "length: 1e999\n",
       {"3:9: length: found '1e999'; expected a real number > 0 (m); the value is beyond the range "
        "of a double (4.9e-324 to 1.8e308)"}},
      {"Fortran",
       base + "length: 1d-3\n",
       {"3:9: length: found '1d-3'; expected a real number > 0 (m); write 1e-3"}},
      {"open end",
       base + "confidence: 1\n",
       {"3:13: confidence: found '1'; expected a real number in (0, 1)"}},
      {"duration in seconds",
       base + "pause: 90\n",
       {"3:8: pause: found '90'; expected a duration hh:mm:ss or d-hh:mm:ss <= 3600"}},
      {"duration beyond",
       base + "pause: 01:00:01\n",
       {"3:8: pause: found '01:00:01'; expected a duration hh:mm:ss or d-hh:mm:ss <= 3600"}},
      {"duration of zero",
       base + "run: {wall_time: \"00:00:00\"}\n",
       {"3:18: run.wall_time: found the text '00:00:00'; expected a duration hh:mm:ss or "
        "d-hh:mm:ss "
        "> 0"}},
  };
}

std::vector<Case> value_cases() {
  return {
      {"choice",
       base + "cost: euclid\n",
       {"3:7: cost: found 'euclid'; expected one of euclidean, squared_euclidean; did you mean "
        "'euclidean'?"}},
      {"scalar for list",
       base + "grid: 5\n",
       {"3:7: grid: found '5'; expected a list of integers with 1 to 3 entries, each >= 2; write "
        "[5]"}},
      {"entries of a list",
       base + "orders: [0.1, 2, a]\n",
       {"3:15: orders.1: found '2'; expected a real number in [0, 1]",
        "3:18: orders.2: found 'a'; expected a real number in [0, 1]"}},
      {"length of a list",
       base + "grid: [2, 2, 2, 2]\n",
       {"3:7: grid: found 4 entries; expected 1 to 3 entries"}},
      {"choice in a list",
       base + "fit: [length, nose]\n",
       {"3:15: fit.1: found 'nose'; expected one of length, variance, noise; did you mean "
        "'noise'?"}},
      {"tuples",
       base + "edges: [[a, b], [a], [a, b, 0], [a, b, 1, 2], c]\n",
       {"3:17: edges.1: found 1 entry; expected [from: text, to: text, weight: real number "
        "(optional)]",
        "3:29: edges.2.2: found '0'; expected a real number > 0",
        "3:33: edges.3: found 4 entries; expected [from: text, to: text, weight: real number "
        "(optional)]",
        "3:47: edges.4: found 'c'; expected [from: text, to: text, weight: real number "
        "(optional)]"}},
      {"tuple", base + "pair: [a, x]\n", {"3:11: pair.1: found 'x'; expected an integer"}},
      {"ragged matrix",
       "sets: {p: {generate: {law: gaussian, mean: 0, covariance: [[1, 0], [0]], count: 5}}}\n" +
           quantities,
       {"1:68: sets.p.generate.covariance.1: found 1 numbers; expected a list of 2 numbers as in "
        "the first row"}},
      {"matrix for a list",
       "sets: {p: {generate: {law: gaussian, mean: [[0]], count: 5}}}\n" + quantities,
       {"1:44: sets.p.generate.mean: found a list of lists; expected a real number or list of "
        "them"}},
      {"unknown variable of a formula",
       base + "velocity: [x, y]\n",
       {"3:15: velocity.1: found the unknown name 'y' at character 1 of 'y'; expected one of x, t, "
        "pi, e or a function"}},
      {"formula",
       base + "source: \"sn(x) + 1\"\n",
       {"3:9: source: found the unknown name 'sn' at character 1 of 'sn(x) + 1'; expected one of "
        "x, "
        "y, z, t, pi, e or a function; did you mean 'sin'?"}},
      {"undefined variable",
       "sets: {p: {file: \"${NOPE}/a\", dataset: b}}\n" + quantities,
       {"1:18: sets.p.file: found the undefined environment variable 'NOPE'; expected a defined "
        "one; export it before the run (on a cluster: in the job script)"}},
      {"broken variable",
       "sets: {p: {file: \"${NOPE\", dataset: b}}\n" + quantities,
       {"1:18: sets.p.file: found '${NOPE'; expected ${NAME} with a name and a closing brace"}},
      {"home",
       "sets: {p: {file: ~/a, dataset: b}}\n" + quantities,
       {"1:18: sets.p.file: found '~/a'; expected a file name; write ${HOME} for ~"}},
      {"empty text",
       "sets: {p: {file: a, dataset: \"\"}}\n" + quantities,
       {"1:30: sets.p.dataset: found the text ''; expected text"}},
      {"petsc scalar", base + "petsc: 5\n", {"3:8: petsc: found '5'; expected a section of keys"}},
      {"petsc dash",
       base + "petsc: {-ksp_rtol: 1}\n",
       {"3:20: petsc.-ksp_rtol: found the key '-ksp_rtol'; expected a key without dash"}},
      {"newer format",
       base + "mensura: 2\n",
       {"3:10: mensura: found deck format 2; expected 1: this version knows no other, and nothing "
        "has changed between formats yet; a newer deck needs a newer Mensura"}},
      {"rows",
       "sets: {p: {file: a, dataset: b, rows: {start: 5, stop: 5}}}\n" + quantities,
       {"1:56: sets.p.rows.stop: found 5; expected more than start (5)"}},
      {"unknown set",
       sets + "quantities: [{name: kl, of: [p, r]}]\n",
       {"2:33: quantities.0.of.1: found 'r'; expected a name of sets (p)"}},
      {"default that names no set",
       sets + "quantities: [kl]\n",
       {"2:14: quantities.0.of.1: found 'q'; expected a name of sets (p)"}},
      {"several at once, by line",
       sets + "quantities: [{name: kl, of: [p, r]}]\nlength: 0\nlenght: 1\nlength: 2\n",
       {"2:33: quantities.0.of.1: found 'r'; expected a name of sets (p)",
        "3:9: length: found '0'; expected a real number > 0 (m)",
        "4:1: lenght: " + top_keys() + "; did you mean 'length'?",
        "5:1: length: found the key a second time; expected it once (first at line 3)"}},
      {"long text is cut",
       base + "length: " + std::string(100, 'a') + "\n",
       {"3:9: length: found '" + std::string(60, 'a') + "...'; expected a real number > 0 (m)"}},
  };
}

std::vector<Case> override_cases() {
  return {
      {"unknown key",
       base,
       {"--set quantities.0.ordr=0.3: quantities.0.ordr: found an unknown key; expected one of "
        "name, method, of; did you mean 'order'?"},
       {"quantities.0.ordr=0.3"}},
      {"no such entry",
       base,
       {"--set quantities.2.order=0.3: quantities.2: found '2'; expected the number of an entry, "
        "from 0, of a list with 1 entry"},
       {"quantities.2.order=0.3"}},
      {"name for a number",
       base,
       {"--set quantities.kl.order=1: quantities.kl: found 'kl'; expected the number of an entry, "
        "from 0, of a list with 1 entry"},
       {"quantities.kl.order=1"}},
      {"below a value",
       base + "confidence: 0.5\n",
       {"--set confidence.x=2: confidence: found the value '0.5'; expected a section or list to go "
        "into: set confidence as a whole"},
       {"confidence.x=2"}},
      {"no value",
       base,
       {"--set bad: expected key.path=value, such as quantities.0.order=0.3"},
       {"bad"}},
      {"no key",
       base,
       {"--set a..b=1: expected key.path=value, such as quantities.0.order=0.3"},
       {"a..b=1"}},
      {"not YAML",
       base,
       {"--set run.seed=[: run.seed: the value is not YAML; check brackets and quotes"},
       {"run.seed=["}},
      {"empty",
       base,
       {"--set run.seed=: run.seed: found nothing; expected an integer >= 0"},
       {"run.seed="}},
      {"in their order, after the file",
       base + "lenght: 1\n",
       {"3:1: lenght: " + top_keys() + "; did you mean 'length'?",
        "--set run.seed=-1: run.seed: found '-1'; expected an integer >= 0",
        "--set confidence=2: confidence: found '2'; expected a real number in (0, 1)"},
       {"run.seed=-1", "confidence=2"}},
  };
}

std::string expected_text(const Case& a_case) {
  std::string text;
  for (const std::string& line : a_case.lines) {
    text += (line.starts_with("--set") ? "" : "deck.yaml:") + line + "\n";
  }
  const std::size_t number = a_case.lines.size();
  return text + std::to_string(number) + (number == 1 ? " error" : " errors") +
         " in deck.yaml; nothing was run";
}

void run(const std::vector<Case>& cases) {
  for (const Case& a_case : cases) {
    SCOPED_TRACE(a_case.name);
    try {
      parse_deck("deck.yaml", a_case.deck, test::sample_schema(), a_case.overrides);
      ADD_FAILURE() << "the deck was accepted";
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.what(), expected_text(a_case));
      EXPECT_EQ(error.code(), parallel::ExitCode::usage);
    }
  }
}

TEST(Messages, Yaml) {
  run(yaml_cases());
}
TEST(Messages, Keys) {
  run(key_cases());
}
TEST(Messages, Numbers) {
  run(number_cases());
}
TEST(Messages, Values) {
  run(value_cases());
}
TEST(Messages, Overrides) {
  run(override_cases());
}

// Aliases of aliases would expand to 10^9 values.
TEST(Messages, AliasesThatExplode) {
  std::string deck = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 10; ++i) {
    const std::vector<std::string> aliases(10, fmt::format("*a{}", i - 1));
    deck += fmt::format("a{0}: &a{0} [{1}]\n", i, fmt::join(aliases, ", "));
  }
  try {
    parse_deck("deck.yaml", deck, test::sample_schema());
    ADD_FAILURE() << "the deck was accepted";
  } catch (const parallel::Error& error) {
    EXPECT_NE(std::string(error.what()).find("found more than 200000 values"), std::string::npos);
  }
}

}  // namespace
}  // namespace mensura::input
