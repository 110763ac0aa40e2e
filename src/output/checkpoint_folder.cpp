// SPDX-License-Identifier: BSD-3-Clause
#include "output/checkpoint_folder.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string_view>

#include "output/digest.hpp"
#include "output/hdf5.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;
using Kind = ManifestEntry::Kind;

[[noreturn]] void fail(const std::string& text) {
  throw Error(ExitCode::input_data, text);
}

std::string hexadecimal(std::uint64_t value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

template <class T>
bool parse_number(std::string_view text, T& value, int base = 10) {
  const char* end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, value, base);
  return status == std::errc() && rest == end && !text.empty();
}

std::uint64_t hash_text(std::string_view text) {
  return hash_bytes(0, {reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

const char* kind_name(Kind kind) {
  return kind == Kind::integers ? "integers" : kind == Kind::reals ? "reals" : "text";
}

hid_t memory_type(Kind kind) {
  return kind == Kind::integers ? H5T_NATIVE_INT64
         : kind == Kind::reals  ? H5T_NATIVE_DOUBLE
                                : H5T_NATIVE_UINT8;
}

std::int64_t extent_of(hid_t dataset) {
  const SpaceHandle space(H5Dget_space(dataset));
  if (!space.valid() || H5Sget_simple_extent_ndims(space.id()) != 1) return -1;
  hsize_t extent = 0;
  H5Sget_simple_extent_dims(space.id(), &extent, nullptr);
  return static_cast<std::int64_t>(extent);
}

std::string read_bytes(hid_t file, const char* name) {
  const DatasetHandle dataset(H5Dopen2(file, name, H5P_DEFAULT));
  const std::int64_t extent = dataset.valid() ? extent_of(dataset.id()) : -1;
  if (extent < 0) fail(std::string("it has no ") + name);
  std::string content(static_cast<std::size_t>(extent), '\0');
  if (H5Dread(dataset.id(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, content.data()) < 0) {
    fail(std::string(name) + " cannot be read (" + hdf5_error() + ")");
  }
  return content;
}

std::string text_attribute(hid_t file, const char* name) {
  const AttributeHandle attribute(H5Aopen_by_name(file, "/", name, H5P_DEFAULT, H5P_DEFAULT));
  if (!attribute.valid()) return "";
  const TypeHandle type(H5Aget_type(attribute.id()));
  if (H5Tget_class(type.id()) != H5T_STRING || H5Tis_variable_str(type.id()) <= 0) return "";
  char* text = nullptr;
  if (H5Aread(attribute.id(), type.id(), &text) < 0 || text == nullptr) return "";
  std::string result = text;
  H5free_memory(text);
  return result;
}

// Fingerprint of this rank's share of one array; the text is rank 0's.
std::uint64_t share_fingerprint(const parallel::Communicator& comm, const StateFile& state,
                                const ManifestEntry& entry) {
  constexpr std::int64_t piece = std::int64_t{1} << 20;
  if (entry.kind == Kind::text) {
    if (!comm.is_root()) return 0;
    std::string text(static_cast<std::size_t>(entry.count), '\0');
    state.read(entry, 0, entry.count, text.data());
    return hash_text(text);
  }
  // Shares end at chunk boundaries, so that no chunk is unpacked twice.
  const std::int64_t chunks = (entry.count + piece - 1) / piece;
  std::uint64_t sum = 0;
  for (std::int64_t i = chunks * comm.rank() / comm.size();
       i < chunks * (comm.rank() + 1) / comm.size(); ++i) {
    const std::int64_t first = i * piece;
    std::vector<std::int64_t> words(static_cast<std::size_t>(std::min(piece, entry.count - first)));
    // The hash takes the bits of an element, whatever it means.
    state.read(entry, first, static_cast<std::int64_t>(words.size()), words.data());
    sum += hash_elements(first, words);
  }
  return sum;
}

}  // namespace

std::string CheckpointName::text() const {
  std::string digits = std::to_string(step);
  digits.insert(0, digits.size() < 9 ? 9 - digits.size() : 0, '0');
  return attempt == 1 ? digits : digits + "." + std::to_string(attempt);
}

std::optional<CheckpointName> CheckpointName::parse(const std::string& text) {
  CheckpointName name;
  const std::size_t dot = text.find('.');
  const bool good = parse_number(std::string_view(text).substr(0, dot), name.step) &&
                    (dot == std::string::npos ||
                     parse_number(std::string_view(text).substr(dot + 1), name.attempt));
  if (!good || name.step < 0 || name.text() != text) return {};
  return name;
}

std::string to_text(const Manifest& manifest) {
  std::string text;
  for (const ManifestEntry& entry : manifest) {
    text += std::string(kind_name(entry.kind)) + " " + std::to_string(entry.count) + " " +
            hexadecimal(entry.fingerprint) + " " + entry.name + "\n";
  }
  return text;
}

Manifest parse_manifest(const std::string& text) {
  Manifest manifest;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string fingerprint;
    ManifestEntry entry;
    words >> kind >> entry.count >> fingerprint;
    words.get();
    std::getline(words, entry.name);
    entry.kind = kind == "integers" ? Kind::integers : kind == "reals" ? Kind::reals : Kind::text;
    parse_number(std::string_view(fingerprint), entry.fingerprint, 16);
    manifest.push_back(std::move(entry));
  }
  if (to_text(manifest) != text) fail("its manifest is damaged");
  return manifest;
}

std::string Marker::text() const {
  const std::string body = "mensura checkpoint 1\nstep " + std::to_string(step) + "\nbytes " +
                           std::to_string(bytes) + "\ndigest " + hexadecimal(digest) + "\n";
  return body + "check " + hexadecimal(hash_text(body)) + "\n";
}

Marker read_marker(const std::string& checkpoint) {
  std::ifstream file(marker_path(checkpoint), std::ios::binary);
  if (!file) fail("it is half-written (the file COMPLETE is missing)");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Marker marker;
  std::istringstream words(text);
  std::string skip;
  std::string digest;
  words >> skip >> skip >> skip >> skip >> marker.step >> skip >> marker.bytes >> skip >> digest;
  parse_number(std::string_view(digest), marker.digest, 16);
  if (marker.text() != text) fail("its file COMPLETE is damaged");
  return marker;
}

std::string state_path(const std::string& checkpoint) {
  return checkpoint + "/state.h5";
}
std::string marker_path(const std::string& checkpoint) {
  return checkpoint + "/COMPLETE";
}

StateFile::StateFile(const std::string& checkpoint) : path_(state_path(checkpoint)) {
  initialise_hdf5();
  const PropertyHandle access = serial_access();
  file_ = FileHandle(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.id()));
  if (!file_.valid()) fail("its state.h5 cannot be opened (" + hdf5_error() + ")");
  const std::string filetype = text_attribute(file_.id(), "filetype");
  if (filetype != checkpoint_filetype) {
    fail("its state.h5 is of another kind (filetype \"" + filetype + "\")");
  }
  manifest_ = parse_manifest(read_bytes(file_.id(), "/manifest"));
  for (const ManifestEntry& entry : manifest_) {
    const std::string name = "/state/" + entry.name;
    const DatasetHandle dataset(H5Dopen2(file_.id(), name.c_str(), H5P_DEFAULT));
    if (!dataset.valid() || extent_of(dataset.id()) != entry.count) {
      fail("the array " + entry.name + " is missing or of another length than its manifest says");
    }
  }
}

const ManifestEntry* StateFile::find(const std::string& name) const noexcept {
  const auto found = std::ranges::find(manifest_, name, &ManifestEntry::name);
  return found == manifest_.end() ? nullptr : &*found;
}

void StateFile::read(const ManifestEntry& entry, std::int64_t first, std::int64_t count,
                     void* target) const {
  const bool inside =
      first >= 0 && count >= 0 && first <= entry.count && count <= entry.count - first;
  parallel::require(inside, "range outside of the checkpointed array " + entry.name);
  if (count == 0) return;
  const std::string name = "/state/" + entry.name;
  const DatasetHandle dataset(H5Dopen2(file_.id(), name.c_str(), H5P_DEFAULT));
  const std::int64_t element_bytes = entry.kind == Kind::text ? 1 : 8;
  const auto cuts =
      cut_pieces(first, count, std::max<std::int64_t>(1, transfer_limit() / element_bytes), 1);
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    const Selection selection({entry.count}, cuts[i], cuts[i + 1] - cuts[i]);
    char* to = static_cast<char*>(target) + (cuts[i] - first) * element_bytes;
    if (H5Dread(dataset.id(), memory_type(entry.kind), selection.memory.id(), selection.file.id(),
                H5P_DEFAULT, to) < 0) {
      fail(path_ + ": the array " + entry.name + " cannot be read (" + hdf5_error() + ")");
    }
  }
}

void verify_checkpoint(const parallel::Communicator& comm, const std::string& checkpoint) {
  Marker marker;
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    marker = read_marker(checkpoint);
    std::error_code error;
    const auto bytes = std::filesystem::file_size(state_path(checkpoint), error);
    if (error) fail("its state.h5 is missing");
    if (static_cast<std::int64_t>(bytes) != marker.bytes) {
      fail("its state.h5 has " + std::to_string(bytes) + " bytes instead of " +
           std::to_string(marker.bytes));
    }
  });
  comm.broadcast(std::span<Marker>(&marker, 1));
  const std::uint64_t digest = digest_file(comm, state_path(checkpoint), marker.bytes);
  parallel::agree(comm, [&] {
    if (digest != marker.digest) fail("the contents of its state.h5 have changed since writing");
    if (comm.is_root()) StateFile{checkpoint};
  });
}

void verify_contents(const parallel::Communicator& comm, const std::string& checkpoint,
                     const Manifest& expected) {
  std::vector<std::uint64_t> sums(expected.size());
  parallel::agree(comm, [&] {
    const StateFile state(checkpoint);
    if (to_text(state.manifest()) != to_text(expected)) fail("its manifest has changed");
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] = share_fingerprint(comm, state, expected[i]);
    }
  });
  for (std::uint64_t& sum : sums) sum = sum_modulo(comm, sum);
  parallel::agree(comm, [&] {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      if (sums[i] != expected[i].fingerprint) {
        fail("the array " + expected[i].name + " reads back differently");
      }
    }
  });
}

std::vector<CheckpointName> list_checkpoints(const std::string& folder,
                                             std::vector<std::string>& others) {
  std::vector<CheckpointName> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string text = entry.path().filename().string();
    const auto name = CheckpointName::parse(text);
    if (name && entry.is_directory(error)) {
      names.push_back(*name);
    } else {
      others.push_back(text);
    }
  }
  std::ranges::sort(names, std::greater<>());
  std::ranges::sort(others);
  return names;
}

}  // namespace mensura::output
