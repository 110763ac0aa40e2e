// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"

namespace mensura::output {

/// A regular grid of 1 to 3 axes, slowest axis first (z, y, x): values sit at
/// origin + index * spacing (pixel centres).
struct RegularGrid {
  std::vector<std::int64_t> shape;
  std::vector<double> origin;
  std::vector<double> spacing;
};

/// Fields for ParaView: folder/NAME.h5 with the numbers and folder/NAME.xdmf (XDMF 3) that
/// describes them. First one geometry, then fields on it, optionally in time steps, then finish().
/// All members are collective; failures are Error{output} on all ranks. Two components are stored
/// as three (z = 0), one-dimensional points as two, since ParaView knows no other.
class FieldWriter {
 public:
  /// Creates folder/NAME.h5; the folder is made when it is missing (not its parents).
  FieldWriter(const parallel::Communicator& comm, const std::string& folder,
              const std::string& name, const Provenance& provenance);
  ~FieldWriter();
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;

  /// Geometry: `total` points in 1 to 3 dimensions. This rank passes points [first, first + m),
  /// row-major m x dimension. All later fields are on the points, in the same distribution.
  void points(std::span<const double> coordinates, int dimension, std::int64_t first,
              std::int64_t total, const std::string& unit = "1");
  /// Geometry: a regular grid. Fields are given by flat row-major index; this rank's fields begin
  /// at flat index `first`.
  void grid(const RegularGrid& grid, std::int64_t first, const std::string& unit = "1");

  /// Begins a time step; the fields that follow belong to it. Times must increase. Without it the
  /// fields have no time; with and without cannot be mixed.
  void step(double time);

  /// A field of 1, 2 or 3 components: this rank's m x components values.
  void field(const std::string& name, std::span<const double> values, int components = 1,
             const Labels& labels = {});
  void field(const std::string& name, std::span<const std::int64_t> values,
             const Labels& labels = {});

  /// Marks the HDF5 file complete and writes the XDMF sidecar.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mensura::output
