// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::input {

/// The deck format of this version: `mensura: 1`.
inline constexpr std::int64_t deck_format = 1;

/// Adds what all drivers share: `mensura`, `output`, `run`, `petsc`.
void add_common_sections(Schema& schema);

/// The required key `file` of a section that names an HDF5 file, and `dataset` in it.
Option file_option(const std::string& example = "data.h5");
Option dataset_option(const std::string& help, const std::string& example);

/// {file, dataset, rows: {start, stop, step}} as the keys of the variant `file` of a data source;
/// combine with `generate` or others: variants = {{.of = {file_source(), ...}}}.
Variant file_source();

/// Rows start, start+step, ... < stop of a dataset, from zero.
struct Rows {
  std::int64_t start = 0;
  std::optional<std::int64_t> stop{};  ///< none: all rows
  std::int64_t step = 1;
};

/// What a `file_source()` says.
struct FileSource {
  std::filesystem::path file;
  std::string dataset;
  Rows rows;
};
FileSource read_file_source(const Node& node);

/// The `output` section.
struct OutputKeys {
  std::filesystem::path folder;
  bool fields = true;
  bool overwrite = false;
};
OutputKeys read_output(const Node& root);

/// The `run` section; times in seconds.
struct RunKeys {
  std::optional<double> wall_time{};
  double checkpoint_every = 600;
  std::uint64_t seed = 1;
  bool reproducible = true;
};
RunKeys read_run(const Node& root);

/// The `petsc` section as options: {newton: {ksp_rtol: 1e-8}} with prefix "transport_" gives
/// {"-transport_newton_ksp_rtol", "1e-8"}. A key without value is a flag (empty value); true and
/// false stay as they are; a list is joined by commas.
std::vector<std::pair<std::string, std::string>> petsc_options(const Node& root,
                                                               const std::string& prefix);

/// Key paths that may change on a restart: output, run.wall_time, run.checkpoint_every.
std::vector<std::string> restart_free_keys();

/// Seconds of "hh:mm:ss" or "d-hh:mm:ss"; none if it is not one. For --wall too.
std::optional<double> parse_duration(const std::string& text);
std::string format_duration(double seconds);

}  // namespace mensura::input
