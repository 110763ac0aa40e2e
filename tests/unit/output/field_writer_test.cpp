// SPDX-License-Identifier: BSD-3-Clause
#include "output/field_writer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::FieldWriter;
using parallel::Communicator;

// One XML element; a parser that refuses what is not well-formed.
struct Element {
  std::string tag;
  std::map<std::string, std::string> attributes;
  std::vector<Element> children;
  std::string text;
  std::vector<const Element*> all(const std::string& name) const {
    std::vector<const Element*> found;
    for (const Element& child : children) {
      if (child.tag == name) found.push_back(&child);
      for (const Element* deeper : child.all(name)) found.push_back(deeper);
    }
    return found;
  }
};

class Xml {
 public:
  static Element parse(const std::string& text) {
    Xml xml(text);
    xml.expect("<?xml version=\"1.0\" ?>");
    Element root = xml.element();
    xml.space();
    if (xml.at_ != text.size()) throw std::runtime_error("text after the root element");
    return root;
  }

 private:
  explicit Xml(const std::string& text) : text_(text) {}
  void space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(const std::string& token) {
    if (text_.compare(at_, token.size(), token) != 0) return false;
    at_ += token.size();
    return true;
  }
  void expect(const std::string& token) {
    if (!take(token))
      throw std::runtime_error("expected " + token + " at " + text_.substr(at_, 30));
  }
  std::string until(const std::string& stops) {
    const std::size_t end = text_.find_first_of(stops, at_);
    if (end == std::string::npos) throw std::runtime_error("unfinished");
    const std::string result = text_.substr(at_, end - at_);
    at_ = end;
    return result;
  }
  static std::string plain(std::string text) {
    const std::vector<std::pair<std::string, std::string>> names{
        {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}};
    for (const auto& [name, character] : names) {
      for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; ++at) {
        text.replace(at, name.size(), character);
      }
    }
    return text;
  }
  Element element() {
    space();
    expect("<");
    Element result;
    result.tag = until(" />\n");
    for (space(); !take(">"); space()) {
      if (take("/>")) return result;
      const std::string name = until("=");
      expect("=\"");
      result.attributes[name] = plain(until("\"<"));
      expect("\"");
    }
    while (true) {
      const std::string text = plain(until("<"));
      if (text.find_first_not_of(" \n") != std::string::npos) result.text += text;
      const std::string closing = "</" + result.tag + ">";
      if (take(closing)) return result;
      result.children.push_back(element());
    }
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

std::vector<hsize_t> numbers(const std::string& text) {
  std::istringstream words(text);
  std::vector<hsize_t> result;
  for (hsize_t value = 0; words >> value;) result.push_back(value);
  return result;
}

// Every reference leads to a dataset beside the sidecar with the shape and type that it names.
void expect_references(const Element& root, const std::string& folder, std::size_t count) {
  std::size_t heavy = 0;
  for (const Element* item : root.all("DataItem")) {
    if (item->attributes.at("Format") != "HDF") continue;
    ++heavy;
    const std::size_t colon = item->text.find(':');
    ASSERT_NE(colon, std::string::npos);
    const std::string file = item->text.substr(0, colon);
    EXPECT_EQ(file.find('/'), std::string::npos) << "the sidecar must be movable";
    EXPECT_EQ(serial_shape(folder + "/" + file, item->text.substr(colon + 1)),
              numbers(item->attributes.at("Dimensions")))
        << item->text;
    EXPECT_EQ(item->attributes.at("Precision"), "8");
  }
  EXPECT_EQ(heavy, count);
}

std::vector<double> ramp(std::int64_t first, std::int64_t count, double factor) {
  std::vector<double> values;
  for (std::int64_t i = first; i < first + count; ++i) {
    values.push_back(factor * static_cast<double>(i));
  }
  return values;
}

TEST(FieldWriter, DescribesPoints) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::int64_t n = 23;
  const Part part(comm, n);
  for (const int dimension : {1, 2, 3}) {
    const std::string name = "cloud" + std::to_string(dimension);
    FieldWriter writer(comm, folder / "fields", name, {});
    writer.points(ramp(part.first * dimension, part.count() * dimension, 0.5), dimension,
                  part.first, n, "m");
    writer.field("a<b & \"c\"", ramp(part.first, part.count(), 2.0), 1, {"K", "temperature"});
    writer.field("flow", ramp(2 * part.first, 2 * part.count(), 1.0), 2);
    writer.field("turn", ramp(3 * part.first, 3 * part.count(), 1.0), 3);
    std::vector<std::int64_t> ids;
    for (std::int64_t i = part.first; i < part.last; ++i) ids.push_back(i);
    writer.field("id", ids);
    writer.finish();
    comm.barrier();
    const std::string h5 = folder / ("fields/" + name + ".h5");
    const Element root = Xml::parse(slurp(folder / ("fields/" + name + ".xdmf")));
    expect_references(root, folder / "fields", 5);
    ASSERT_EQ(root.all("Topology").size(), 1U);
    EXPECT_EQ(root.all("Topology")[0]->attributes.at("TopologyType"), "Polyvertex");
    EXPECT_EQ(root.all("Topology")[0]->attributes.at("NumberOfElements"), "23");
    EXPECT_EQ(root.all("Geometry")[0]->attributes.at("GeometryType"),
              dimension == 3 ? "XYZ" : "XY");
    const auto fields = root.all("Attribute");
    ASSERT_EQ(fields.size(), 4U);
    EXPECT_EQ(fields[0]->attributes.at("Name"), "a<b & \"c\"");
    EXPECT_EQ(fields[0]->attributes.at("AttributeType"), "Scalar");
    EXPECT_EQ(fields[1]->attributes.at("AttributeType"), "Vector");
    EXPECT_EQ(fields[3]->children[0].attributes.at("NumberType"), "Int");
    EXPECT_TRUE(root.all("Time").empty());
    EXPECT_EQ(serial_attribute(h5, "/", "complete"), 1);
    EXPECT_EQ(serial_attribute(h5, "/points", "dimension"), dimension);
    EXPECT_EQ(serial_text(h5, "/points", "unit"), "m");
    const std::vector<double> points = serial_reals(h5, "/points");
    if (dimension > 1) {
      EXPECT_EQ(points, ramp(0, n * dimension, 0.5));
    } else {
      EXPECT_EQ(points[2 * 7], 3.5);
      EXPECT_EQ(points[2 * 7 + 1], 0.0);
    }
    const std::vector<double> flow = serial_reals(h5, "/fields/flow");
    EXPECT_EQ((std::vector<double>{flow[15], flow[16], flow[17]}),
              (std::vector<double>{10.0, 11.0, 0.0}));
    EXPECT_EQ(serial_reals(h5, "/fields/turn"), ramp(0, 3 * n, 1.0));
    EXPECT_EQ(serial_integers(h5, "/fields/id")[22], 22);
  }
}

// Grids are cut at flat positions, in the middle of rows.
TEST(FieldWriter, DescribesGrids) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::vector<std::vector<std::int64_t>> shapes{{35}, {5, 7}, {5, 1, 7}};
  for (const auto& shape : shapes) {
    const std::size_t axes = shape.size();
    const std::string name = "grid" + std::to_string(axes);
    const Part part(comm, 35);
    FieldWriter writer(comm, folder.path(), name, {});
    const std::vector<double> origin{0.5, 1.5, 2.5};
    const std::vector<double> spacing{0.1, 1e-20, 3.0};
    const auto head = static_cast<std::ptrdiff_t>(axes);
    writer.grid(
        {shape, {origin.begin(), origin.begin() + head}, {spacing.begin(), spacing.begin() + head}},
        part.first);
    writer.field("mass", ramp(part.first, part.count(), 1.0));
    writer.field("flow", ramp(3 * part.first, 3 * part.count(), 1.0), 3);
    writer.finish();
    comm.barrier();
    const Element root = Xml::parse(slurp(folder / (name + ".xdmf")));
    expect_references(root, folder.path(), 2);
    const Element& topology = *root.all("Topology")[0];
    const Element& geometry = *root.all("Geometry")[0];
    const bool flat = axes < 3;
    EXPECT_EQ(topology.attributes.at("TopologyType"), flat ? "2DCoRectMesh" : "3DCoRectMesh");
    EXPECT_EQ(topology.attributes.at("Dimensions"), axes == 1   ? "1 35"
                                                    : axes == 2 ? "5 7"
                                                                : "5 1 7");
    EXPECT_EQ(geometry.attributes.at("GeometryType"), flat ? "ORIGIN_DXDY" : "ORIGIN_DXDYDZ");
    ASSERT_EQ(geometry.children.size(), 2U);
    EXPECT_EQ(geometry.children[0].text, axes == 1   ? "0 0.5"
                                         : axes == 2 ? "0.5 1.5"
                                                     : "0.5 1.5 2.5");
    EXPECT_EQ(geometry.children[1].text, axes == 1   ? "0.1 0.1"
                                         : axes == 2 ? "0.1 1e-20"
                                                     : "0.1 1e-20 3");
    EXPECT_EQ(serial_reals(folder / (name + ".h5"), "/fields/mass"), ramp(0, 35, 1.0));
    EXPECT_EQ(serial_reals(folder / (name + ".h5"), "/fields/flow"), ramp(0, 105, 1.0));
  }
}

TEST(FieldWriter, CollectsTimeSteps) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const Part part(comm, 6);
  FieldWriter writer(comm, folder.path(), "series", {});
  writer.points(ramp(2 * part.first, 2 * part.count(), 1.0), 2, part.first, 6);
  for (const double time : {0.0, 0.1, 2.5}) {
    writer.step(time);
    writer.field("u", ramp(part.first, part.count(), time));
  }
  EXPECT_EQ(catch_error([&] { writer.step(2.5); }).code, 70);
  EXPECT_EQ(catch_error([&] { writer.field("u", ramp(0, part.count(), 1.0)); }).code, 70);
  writer.finish();
  comm.barrier();
  const Element root = Xml::parse(slurp(folder / "series.xdmf"));
  expect_references(root, folder.path(), 6);
  const auto grids = root.all("Grid");
  ASSERT_EQ(grids.size(), 4U);
  EXPECT_EQ(grids[0]->attributes.at("CollectionType"), "Temporal");
  const auto times = root.all("Time");
  ASSERT_EQ(times.size(), 3U);
  EXPECT_EQ(times[1]->attributes.at("Value"), "0.1");
  EXPECT_EQ(serial_reals(folder / "series.h5", "/steps/000002/u"), ramp(0, 6, 2.5));
}

TEST(FieldWriter, RefusesWrongOrder) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  FieldWriter writer(comm, folder.path(), "a", {});
  const std::vector<double> none;
  EXPECT_EQ(catch_error([&] { writer.field("u", none); }).code, 70);
  EXPECT_EQ(catch_error([&] { writer.step(1.0); }).code, 70);
  EXPECT_EQ(catch_error([&] { writer.points(none, 4, 0, 0); }).code, 70);
  EXPECT_EQ(catch_error([&] { FieldWriter(comm, folder / "x/y", "a", {}); }).code, 6);
}

}  // namespace
