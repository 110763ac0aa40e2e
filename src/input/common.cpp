// SPDX-License-Identifier: BSD-3-Clause
#include "input/common.hpp"

#include <fmt/format.h>

#include "input/deck.hpp"
#include "input/value.hpp"

namespace mensura::input {
namespace {

void check_format(const Node& root, const Node&, Diagnostics& diagnostics) {
  const Node format = root["mensura"];
  if (format.integer() == deck_format) return;
  diagnostics.error(
      format, fmt::format("found deck format {}; expected {}: this version knows no other, and "
                          "nothing has changed between formats yet; a newer deck needs a newer "
                          "Mensura",
                          format.integer(), deck_format));
}

Table output_table() {
  return {.name = "output",
          .help = "Where results go",
          .options = {
              {.key = "folder",
               .kind = Kind::folder,
               .default_value = "out/${DECK}",
               .help = "output folder, relative to the working directory; ${DECK} is the deck's "
                       "name"},
              {.key = "fields",
               .kind = Kind::boolean,
               .default_value = "true",
               .help = "write fields/ for ParaView where the solver has any"},
              {.key = "overwrite",
               .kind = Kind::boolean,
               .default_value = "false",
               .help = "replace an existing output folder"}}};
}

Table run_table() {
  return {.name = "run",
          .help = "The life of the batch run",
          .options = {
              {.key = "wall_time",
               .kind = Kind::duration,
               .range = "> 0",
               .help = "stop with a checkpoint before this time; without it, the limit of the job "
                       "under Slurm",
               .example = "\"00:30:00\""},
              {.key = "checkpoint_every",
               .kind = Kind::duration,
               .default_value = "\"00:10:00\"",
               .range = "> 0",
               .help = "time between checkpoints"},
              {.key = "seed",
               .kind = Kind::integer,
               .default_value = "1",
               .range = ">= 0",
               .help = "key of all random numbers"},
              {.key = "reproducible",
               .kind = Kind::boolean,
               .default_value = "true",
               .help = "results do not depend on timing or on the number of ranks"}}};
}

std::string joined(const Node& list) {
  std::string result;
  for (const Node& item : list.items()) result += (result.empty() ? "" : ",") + item.text();
  return result;
}

void flatten_petsc(const Node& section, const std::string& prefix,
                   std::vector<std::pair<std::string, std::string>>& options) {
  for (const auto& [key, node] : section.entries()) {
    switch (node.value().form) {
      case RawNode::Form::map:
        flatten_petsc(node, prefix + key + "_", options);
        break;
      case RawNode::Form::list:
        options.emplace_back(prefix + key, joined(node));
        break;
      default:
        options.emplace_back(prefix + key, node.text());
    }
  }
}

}  // namespace

void add_common_sections(Schema& schema) {
  auto& options = schema.root.options;
  options.insert(options.begin(), {.key = "mensura",
                                   .kind = Kind::integer,
                                   .default_value = std::to_string(deck_format),
                                   .help = "deck format"});
  options.push_back({.key = "output",
                     .kind = Kind::table,
                     .default_value = "{}",
                     .help = "where results go",
                     .table = output_table()});
  options.push_back({.key = "run",
                     .kind = Kind::table,
                     .default_value = "{}",
                     .help = "limits, checkpoints, random numbers",
                     .table = run_table()});
  options.push_back({.key = "petsc",
                     .kind = Kind::free,
                     .default_value = "{}",
                     .help = "options for PETSc, nested by prefix"});
  schema.root.checks.emplace_back(check_format);
}

Option file_option(const std::string& example) {
  return {.key = "file",
          .kind = Kind::path,
          .help = "HDF5 file, relative to the deck; ${NAME} expands the environment",
          .required = true,
          .example = example};
}

Option dataset_option(const std::string& help, const std::string& example) {
  return {.key = "dataset", .kind = Kind::text, .help = help, .required = true, .example = example};
}

Variant file_source() {
  const Table rows{.name = "rows",
                   .help = "Which rows of the dataset, from zero",
                   .options = {{.key = "start",
                                .kind = Kind::integer,
                                .default_value = "0",
                                .range = ">= 0",
                                .help = "first row"},
                               {.key = "stop",
                                .kind = Kind::integer,
                                .range = ">= 1",
                                .help = "row after the last one; without it, all",
                                .example = "1000"},
                               {.key = "step",
                                .kind = Kind::integer,
                                .default_value = "1",
                                .range = ">= 1",
                                .help = "every step-th row"}},
                   .checks = {[](const Node& here, const Node&, Diagnostics& diagnostics) {
                     if (!here["stop"].present()) return;
                     if (here["stop"].integer() > here["start"].integer()) return;
                     diagnostics.error(
                         here["stop"],
                         fmt::format("found {}; expected more than start ({})",
                                     here["stop"].integer(), here["start"].integer()));
                   }}};
  return {.name = "file",
          .help = "Data from an HDF5 file",
          .options = {
              file_option(),
              dataset_option("dataset in the file: (n, d) is n points, (n,) n numbers", "/points"),
              {.key = "rows",
               .kind = Kind::table,
               .default_value = "{}",
               .help = "selection of rows",
               .table = rows}}};
}

FileSource read_file_source(const Node& node) {
  const Node rows = node["rows"];
  FileSource source{node["file"].path(), node["dataset"].text(), {}};
  source.rows.start = rows["start"].integer();
  source.rows.step = rows["step"].integer();
  if (rows["stop"].present()) source.rows.stop = rows["stop"].integer();
  return source;
}

OutputKeys read_output(const Node& root) {
  const Node output = root["output"];
  return {output["folder"].path(), output["fields"].flag(), output["overwrite"].flag()};
}

RunKeys read_run(const Node& root) {
  const Node run = root["run"];
  RunKeys keys;
  if (run["wall_time"].present()) keys.wall_time = run["wall_time"].seconds();
  keys.checkpoint_every = run["checkpoint_every"].seconds();
  keys.seed = static_cast<std::uint64_t>(run["seed"].integer());
  keys.reproducible = run["reproducible"].flag();
  return keys;
}

std::vector<std::pair<std::string, std::string>> petsc_options(const Node& root,
                                                               const std::string& prefix) {
  std::vector<std::pair<std::string, std::string>> options;
  flatten_petsc(root["petsc"], "-" + prefix, options);
  return options;
}

std::vector<std::string> restart_free_keys() {
  return {"output", "run.wall_time", "run.checkpoint_every"};
}

}  // namespace mensura::input
