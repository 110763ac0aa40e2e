// SPDX-License-Identifier: BSD-3-Clause
#include "output/record.hpp"

#include <nlohmann/json.hpp>

#include "output/file_system.hpp"

namespace mensura::output {
namespace {

using Json = nlohmann::ordered_json;

struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(bool value) const { return value; }
  Json operator()(std::int64_t value) const { return value; }
  // The library writes NaN and infinities as null and finite values so that they read back exactly.
  Json operator()(double value) const { return value; }
  Json operator()(const std::string& value) const { return value; }
  Json operator()(const Value::Array& values) const {
    Json result = Json::array();
    for (const Value& value : values) result.push_back(std::visit(*this, value.data()));
    return result;
  }
  Json operator()(const Value::Object& members) const {
    Json result = Json::object();
    for (const auto& [key, value] : members) result[key] = std::visit(*this, value.data());
    return result;
  }
};

template <class T>
Value::Array to_array(const std::vector<T>& values) {
  return Value::Array(values.begin(), values.end());
}

}  // namespace

Value::Value(const std::vector<double>& v) : data_(to_array(v)) {}
Value::Value(const std::vector<std::int64_t>& v) : data_(to_array(v)) {}
Value::Value(const std::vector<std::string>& v) : data_(to_array(v)) {}

Value& Value::operator[](const std::string& key) {
  if (std::holds_alternative<std::monostate>(data_)) data_ = Object{};
  parallel::require(std::holds_alternative<Object>(data_),
                    "record: member \"" + key + "\" asked of a value that is no object");
  auto& members = std::get<Object>(data_);
  for (auto& [name, value] : members) {
    if (name == key) return value;
  }
  return members.emplace_back(key, Value()).second;
}

const Value* Value::find(const std::string& key) const {
  const auto* members = std::get_if<Object>(&data_);
  if (members == nullptr) return nullptr;
  for (const auto& [name, value] : *members) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Value::append(Value v) {
  if (std::holds_alternative<std::monostate>(data_)) data_ = Array{};
  parallel::require(std::holds_alternative<Array>(data_),
                    "record: an entry appended to a value that is no list");
  std::get<Array>(data_).push_back(std::move(v));
}

std::string Value::to_json(int indent) const {
  // Text that is not UTF-8 (a path, say) must not cost the record.
  return std::visit(ToJson{}, data_).dump(indent, ' ', false, Json::error_handler_t::replace);
}

void write_record(const parallel::Communicator& comm, const std::string& path,
                  const Record& record) {
  parallel::agree(comm, [&] {
    if (comm.is_root()) write_text(path, record.root.to_json() + "\n");
  });
}

}  // namespace mensura::output
