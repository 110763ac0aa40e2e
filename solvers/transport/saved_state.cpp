// SPDX-License-Identifier: BSD-3-Clause
#include "transport/saved_state.hpp"

#include <algorithm>
#include <sstream>

#include "parallel/by_index.hpp"

namespace mensura::transport {

namespace {

// The arrays of a state as text, one a line: name, kind, total.
std::string index_of(const SavedState& state) {
  std::ostringstream text;
  for (const SavedState::Array& array : state.arrays) {
    text << array.name << (array.integral ? " i " : " r ") << array.total << '\n';
  }
  return text.str();
}

std::vector<SavedState::Array> arrays_of(const std::string& index) {
  std::istringstream text(index);
  std::vector<SavedState::Array> arrays;
  SavedState::Array array;
  std::string kind;
  while (text >> array.name >> kind >> array.total) {
    array.integral = kind == "i";
    arrays.push_back(array);
  }
  return arrays;
}

const SavedState::Array& named(const SavedState& state, const std::string& name) {
  const auto found =
      std::ranges::find_if(state.arrays, [&](const auto& array) { return array.name == name; });
  parallel::require(found != state.arrays.end(), "the checkpoint has the arrays of its solver");
  return *found;
}

}  // namespace

void SavedState::add(const std::string& name, std::vector<double> values, std::int64_t first,
                     std::int64_t total) {
  arrays.push_back({name, std::move(values), {}, first, total, false});
}

void SavedState::add(const std::string& name, std::vector<std::int64_t> values, std::int64_t first,
                     std::int64_t total) {
  arrays.push_back({name, {}, std::move(values), first, total, true});
}

const std::vector<double>& SavedState::reals(const std::string& name) const {
  return named(*this, name).values;
}

const std::vector<std::int64_t>& SavedState::integers(const std::string& name) const {
  return named(*this, name).integers;
}

void write(output::CheckpointWriter& checkpoint, const parallel::Communicator& comm,
           const std::string& prefix, const SavedState* state, int leader) {
  std::string index = state != nullptr ? index_of(*state) : std::string();
  comm.broadcast(index, leader);
  std::vector<double> numbers = state != nullptr ? state->numbers : std::vector<double>();
  std::int64_t count = std::ssize(numbers);
  comm.broadcast(std::span(&count, 1), leader);
  numbers.resize(static_cast<std::size_t>(count));
  comm.broadcast(std::span(numbers), leader);
  checkpoint.replicated(prefix + "numbers", numbers);
  checkpoint.replicated(prefix + "index", index);
  const std::vector<SavedState::Array> known = arrays_of(index);
  for (std::size_t a = 0; a < known.size(); ++a) {
    const SavedState::Array& array = state != nullptr ? state->arrays[a] : known[a];
    const std::string name = prefix + known[a].name;
    if (known[a].integral) {
      checkpoint.distributed(name, array.integers, array.first, known[a].total);
    } else {
      checkpoint.distributed(name, array.values, array.first, known[a].total);
    }
  }
}

SavedState read(const output::CheckpointReader& checkpoint, const std::string& prefix, int part,
                int parts) {
  SavedState state;
  state.numbers = checkpoint.reals(prefix + "numbers");
  state.arrays = arrays_of(checkpoint.text(prefix + "index"));
  for (SavedState::Array& array : state.arrays) {
    const parallel::Blocks blocks{array.total, std::max(parts, 1)};
    array.first = parts > 0 ? blocks.begin(part) : 0;
    const std::int64_t size = parts > 0 ? blocks.size(part) : 0;
    if (array.integral) {
      array.integers = checkpoint.integers(prefix + array.name, array.first, size);
    } else {
      array.values = checkpoint.reals(prefix + array.name, array.first, size);
    }
  }
  return state;
}

}  // namespace mensura::transport
