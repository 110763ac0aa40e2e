// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::output {

/// An ordered JSON-like value. NaN and infinities become null in JSON (the entry then carries a
/// `status` text).
class Value {
 public:
  using Array = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;  ///< insertion order is kept
  Value() = default;
  Value(bool v) : data_(v) {}
  Value(int v) : data_(std::int64_t{v}) {}
  Value(std::int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(Array v) : data_(std::move(v)) {}
  Value(Object v) : data_(std::move(v)) {}
  Value(const std::vector<double>& v);
  Value(const std::vector<std::int64_t>& v);
  Value(const std::vector<std::string>& v);

  /// Object access; inserts a null member when absent (a null value becomes an object first).
  Value& operator[](const std::string& key);
  const Value* find(const std::string& key) const;  ///< nullptr when absent
  void append(Value v);                             ///< a null value becomes an array first
  const auto& data() const { return data_; }
  std::string to_json(int indent = 2) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> data_;
};

/// What a run leaves behind: the tree of run.json. Filled identically on all ranks; rank 0 writes.
/// A job adds to `results` (list of objects with at least `name` and `value`), `history` (one
/// object per step) and diagnostics.
class Record {
 public:
  Value root;
  void add_result(Value::Object entry) { root["results"].append(Value(std::move(entry))); }
  void add_history(Value::Object entry) { root["history"].append(Value(std::move(entry))); }
};

/// Collective. Writes root as JSON to `path` on rank 0: a temporary file in the same folder, fsync,
/// rename, so that a reader never sees half a record. Throws Error{output} on all ranks.
void write_record(const parallel::Communicator& comm, const std::string& path,
                  const Record& record);

}  // namespace mensura::output
