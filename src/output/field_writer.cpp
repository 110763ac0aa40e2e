// SPDX-License-Identifier: BSD-3-Clause
#include "output/field_writer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>

#include "output/file_system.hpp"
#include "output/xdmf.hpp"

namespace mensura::output {
namespace {

using parallel::require;

// Items of `given` numbers as items of `stored` numbers, zeros behind.
std::vector<double> padded(std::span<const double> values, std::size_t given, std::size_t stored) {
  const std::size_t items = values.size() / given;
  std::vector<double> result(items * stored, 0.0);
  for (std::size_t i = 0; i < items; ++i) {
    for (std::size_t k = 0; k < given; ++k) result[i * stored + k] = values[i * given + k];
  }
  return result;
}

std::string step_group(std::size_t step) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "/steps/%06zu/", step);
  return text.data();
}

std::vector<std::int64_t> with_components(std::vector<std::int64_t> shape,
                                          std::int64_t components) {
  if (components > 1) shape.push_back(components);
  return shape;
}

}  // namespace

struct FieldWriter::State {
  std::string sidecar;
  File file;
  XdmfFile xdmf;
  std::vector<std::int64_t> shape;  ///< of a scalar field
  std::int64_t first = 0;           ///< flat position of this rank's first value

  std::string begin_field(const std::string& name);
  void add(const std::string& name, const std::string& dataset, std::int64_t components,
           bool integers);
};

// Checks that a field may come now and says where it goes.
std::string FieldWriter::State::begin_field(const std::string& name) {
  require(!shape.empty(), "field " + name + " before the points or the grid");
  require(!name.empty() && name.find('/') == std::string::npos,
          "the name \"" + name + "\" of a field");
  if (xdmf.steps.empty()) xdmf.steps.emplace_back();
  const auto& fields = xdmf.steps.back().attributes;
  require(std::ranges::find(fields, name, &XdmfAttribute::name) == fields.end(),
          "field " + name + " written twice");
  return (xdmf.steps.back().time ? step_group(xdmf.steps.size() - 1) : "/fields/") + name;
}

void FieldWriter::State::add(const std::string& name, const std::string& dataset,
                             std::int64_t components, bool integers) {
  xdmf.steps.back().attributes.push_back(
      {name, {dataset, with_components(shape, components), integers}, components > 1});
}

FieldWriter::FieldWriter(const parallel::Communicator& comm, const std::string& folder,
                         const std::string& name, const Provenance& provenance) {
  parallel::agree(comm, [&] {
    if (comm.is_root()) make_folder(folder);
  });
  state_.reset(new State{
      folder + "/" + name + ".xdmf", File::create(comm, folder + "/" + name + ".h5"), {}, {}, 0});
  state_->xdmf.name = name;
  state_->xdmf.hdf5 = name + ".h5";
  write_header(state_->file, "mensura fields", provenance);
}

FieldWriter::~FieldWriter() = default;

void FieldWriter::points(std::span<const double> coordinates, int dimension, std::int64_t first,
                         std::int64_t total, const std::string& unit) {
  State& state = *state_;
  require(state.shape.empty(), "a second geometry for the same fields");
  require(dimension >= 1 && dimension <= 3, "points of more than three dimensions in a field file");
  const std::int64_t stored = std::max(dimension, 2);
  const std::vector<std::int64_t> shape{total, stored};
  const Labels labels{unit, "coordinates of the points"};
  if (dimension == 1) {
    const std::vector<double> wide = padded(coordinates, 1, 2);
    state.file.distributed("/points", wide, {shape, first * stored}, labels);
  } else {
    state.file.distributed("/points", coordinates, {shape, first * stored}, labels);
  }
  state.file.attribute("/points", "dimension", std::int64_t{dimension});
  state.shape = {total};
  state.first = first;
  state.xdmf.points = XdmfArray{"/points", shape, false};
}

void FieldWriter::grid(const RegularGrid& grid, std::int64_t first, const std::string& unit) {
  State& state = *state_;
  const std::size_t axes = grid.shape.size();
  require(state.shape.empty(), "a second geometry for the same fields");
  require(axes >= 1 && axes <= 3 && grid.origin.size() == axes && grid.spacing.size() == axes,
          "a grid of one to three axes with as many origins and spacings");
  require(std::ranges::all_of(grid.spacing, [](double step) { return step > 0.0; }) &&
              std::ranges::all_of(grid.shape, [](std::int64_t extent) { return extent > 0; }),
          "positive spacings and extents of a grid");
  state.file.group("/grid");
  state.file.attribute("/grid", "shape", std::span<const std::int64_t>(grid.shape));
  state.file.attribute("/grid", "origin", std::span<const double>(grid.origin));
  state.file.attribute("/grid", "spacing", std::span<const double>(grid.spacing));
  state.file.attribute("/grid", "unit", unit);
  state.shape = grid.shape;
  state.first = first;
  state.xdmf.grid_shape = grid.shape;
  state.xdmf.origin = grid.origin;
  state.xdmf.spacing = grid.spacing;
  if (axes == 1) {
    // ParaView has no one-dimensional mesh: one row of a flat one.
    state.xdmf.grid_shape.insert(state.xdmf.grid_shape.begin(), 1);
    state.xdmf.origin.insert(state.xdmf.origin.begin(), 0.0);
    state.xdmf.spacing.insert(state.xdmf.spacing.begin(), grid.spacing[0]);
  }
}

void FieldWriter::step(double time) {
  auto& steps = state_->xdmf.steps;
  require(!state_->shape.empty(), "a time step before the points or the grid");
  require(
      std::isfinite(time) && (steps.empty() || (steps.back().time && *steps.back().time < time)),
      "times of steps must be finite and increase, and cannot follow fields without time");
  steps.emplace_back().time = time;
  std::string group = step_group(steps.size() - 1);
  group.pop_back();
  state_->file.group(group);
  state_->file.attribute(group, "time", time);
}

void FieldWriter::field(const std::string& name, std::span<const double> values, int components,
                        const Labels& labels) {
  State& state = *state_;
  require(components >= 1 && components <= 3, "field " + name + " of more than three components");
  const std::string dataset = state.begin_field(name);
  const std::int64_t stored = components == 1 ? 1 : 3;
  const Placement placement{with_components(state.shape, stored), state.first * stored};
  if (components == 2) {
    const std::vector<double> wide = padded(values, 2, 3);
    state.file.distributed(dataset, wide, placement, labels);
  } else {
    state.file.distributed(dataset, values, placement, labels);
  }
  if (components > 1) {
    state.file.attribute(dataset, "components", std::int64_t{components});
  }
  state.add(name, dataset, stored, false);
}

void FieldWriter::field(const std::string& name, std::span<const std::int64_t> values,
                        const Labels& labels) {
  State& state = *state_;
  const std::string dataset = state.begin_field(name);
  state.file.distributed(dataset, values, {state.shape, state.first}, labels);
  state.add(name, dataset, 1, true);
}

void FieldWriter::finish() {
  State& state = *state_;
  if (state.xdmf.steps.empty()) state.xdmf.steps.emplace_back();
  state.file.finish();
  const parallel::Communicator& comm = state.file.communicator();
  parallel::agree(comm, [&] {
    if (comm.is_root()) write_text(state.sidecar, to_text(state.xdmf));
  });
}

}  // namespace mensura::output
