// SPDX-License-Identifier: BSD-3-Clause
// Private to this folder: the XDMF text that describes an HDF5 file to ParaView.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mensura::output {

/// A dataset of the HDF5 file beside the sidecar.
struct XdmfArray {
  std::string dataset;  ///< "/points"
  std::vector<std::int64_t> shape;
  bool integers = false;
};

struct XdmfAttribute {
  std::string name;
  XdmfArray array;
  bool vector = false;  ///< three components
};

struct XdmfStep {
  std::optional<double> time;
  std::vector<XdmfAttribute> attributes;
};

/// One geometry and the fields on it, in one or more steps.
struct XdmfFile {
  std::string name;
  std::string hdf5;  ///< file name, relative to the sidecar
  // Either points ...
  std::optional<XdmfArray> points;  ///< (n, 2) or (n, 3)
  // ... or a regular grid of two or three axes, slowest first.
  std::vector<std::int64_t> grid_shape;
  std::vector<double> origin;
  std::vector<double> spacing;
  std::vector<XdmfStep> steps;
};

std::string to_text(const XdmfFile& file);

}  // namespace mensura::output
