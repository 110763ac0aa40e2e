// SPDX-License-Identifier: BSD-3-Clause
// The XDMF model: https://www.xdmf.org/index.php/XDMF_Model_and_Format (version 3; ParaView's
// readers for 2 and 3 both take this subset).
#include "output/xdmf.hpp"

#include <array>
#include <charconv>

namespace mensura::output {
namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string number(double value) {
  std::array<char, 32> text{};
  const auto [end, status] = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), status == std::errc() ? end : text.data()};
}

std::string number(std::int64_t value) {
  return std::to_string(value);
}

template <class T>
std::string list(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) {
    if (!text.empty()) text += ' ';
    text += number(value);
  }
  return text;
}

std::string heavy_data(const XdmfFile& file, const XdmfArray& array, const std::string& indent) {
  return indent + "<DataItem Dimensions=\"" + list(array.shape) + "\" NumberType=\"" +
         (array.integers ? "Int" : "Float") + "\" Precision=\"8\" Format=\"HDF\">" +
         escaped(file.hdf5) + ":" + escaped(array.dataset) + "</DataItem>\n";
}

std::string light_data(const std::vector<double>& values, const std::string& indent) {
  return indent + "<DataItem Dimensions=\"" + std::to_string(values.size()) +
         "\" NumberType=\"Float\" Precision=\"8\" Format=\"XML\">" + list(values) + "</DataItem>\n";
}

std::string geometry(const XdmfFile& file, const std::string& indent) {
  const std::string deeper = indent + "  ";
  if (file.points) {
    const XdmfArray& points = *file.points;
    return indent + "<Topology TopologyType=\"Polyvertex\" NumberOfElements=\"" +
           std::to_string(points.shape[0]) + "\" NodesPerElement=\"1\"/>\n" + indent +
           "<Geometry GeometryType=\"" + (points.shape[1] == 2 ? "XY" : "XYZ") + "\">\n" +
           heavy_data(file, points, deeper) + indent + "</Geometry>\n";
  }
  const bool flat = file.grid_shape.size() == 2;
  return indent + "<Topology TopologyType=\"" + (flat ? "2DCoRectMesh" : "3DCoRectMesh") +
         "\" Dimensions=\"" + list(file.grid_shape) + "\"/>\n" + indent +
         "<Geometry GeometryType=\"" + (flat ? "ORIGIN_DXDY" : "ORIGIN_DXDYDZ") + "\">\n" +
         light_data(file.origin, deeper) + light_data(file.spacing, deeper) + indent +
         "</Geometry>\n";
}

std::string one_grid(const XdmfFile& file, const XdmfStep& step, const std::string& indent) {
  const std::string deeper = indent + "  ";
  std::string text = indent + "<Grid Name=\"" + escaped(file.name) + "\" GridType=\"Uniform\">\n";
  if (step.time) text += deeper + "<Time Value=\"" + number(*step.time) + "\"/>\n";
  text += geometry(file, deeper);
  for (const XdmfAttribute& attribute : step.attributes) {
    text += deeper + "<Attribute Name=\"" + escaped(attribute.name) + "\" AttributeType=\"" +
            (attribute.vector ? "Vector" : "Scalar") + "\" Center=\"Node\">\n" +
            heavy_data(file, attribute.array, deeper + "  ") + deeper + "</Attribute>\n";
  }
  return text + indent + "</Grid>\n";
}

}  // namespace

std::string to_text(const XdmfFile& file) {
  std::string text = "<?xml version=\"1.0\" ?>\n<Xdmf Version=\"3.0\">\n  <Domain>\n";
  const bool series = !file.steps.empty() && file.steps.front().time.has_value();
  if (series) {
    text += "    <Grid Name=\"" + escaped(file.name) +
            "\" GridType=\"Collection\" CollectionType=\"Temporal\">\n";
  }
  for (const XdmfStep& step : file.steps) text += one_grid(file, step, series ? "      " : "    ");
  if (series) text += "    </Grid>\n";
  return text + "  </Domain>\n</Xdmf>\n";
}

}  // namespace mensura::output
