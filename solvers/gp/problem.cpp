// SPDX-License-Identifier: BSD-3-Clause
#include "gp/problem.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

namespace mensura::gp {

const std::vector<std::string>& equation_names() {
  static const std::vector<std::string> names = {"elliptic", "burgers", "monge_ampere", "eikonal",
                                                 "darcy_inverse"};
  return names;
}

std::string input_files(const Problem& problem) {
  std::set<std::string> files;
  const auto add = [&](const input::FileSource& source) { files.insert(source.file.string()); };
  if (const auto* layout = std::get_if<FileLayout>(&problem.layout)) {
    add(layout->interior);
    add(layout->boundary);
  }
  for (const DataSpec& data : problem.data) {
    add(data.points);
    add(data.values);
  }
  for (const AverageSpec& average : problem.averages) {
    add(average.centres);
    add(average.values);
  }
  const EquationSpec& equation = problem.equation;
  for (const FieldSpec* field : {&equation.diffusion, &equation.source, &equation.boundary}) {
    if (field->file) add(*field->file);
  }
  return fmt::format("{}", fmt::join(files, ", "));
}

}  // namespace mensura::gp
