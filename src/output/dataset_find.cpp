// SPDX-License-Identifier: BSD-3-Clause
// Opening a file that a user named, on rank 0 alone: every way in which it can be wrong is met
// here, before any collective call of HDF5.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "output/dataset_format.hpp"
#include "output/file_system.hpp"
#include "output/hdf5_handle.hpp"
#include "output/memory.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;

[[noreturn]] void fail(const std::string& text) {
  throw Error(ExitCode::input_data, text);
}

constexpr std::string_view signature{"\x89HDF\r\n\x1a\n", 8};

// The first bytes of a regular file that can be read; throws otherwise.
std::string first_bytes(const std::string& path) {
  struct stat status = {};
  const int id = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (id < 0) {
    fail(path + ": cannot open the data file: " + system_error() +
         "; relative paths start at the folder of the deck");
  }
  std::array<char, 8> bytes{};
  const bool known = ::fstat(id, &status) == 0;
  const ssize_t length = known && S_ISREG(status.st_mode) ? ::read(id, bytes.data(), 8) : 0;
  ::close(id);
  if (known && S_ISDIR(status.st_mode)) fail(path + ": is a folder, not an HDF5 file");
  if (known && S_ISREG(status.st_mode) && status.st_size == 0) {
    fail(path + ": is empty (0 bytes), not an HDF5 file");
  }
  if (length < 0) fail(path + ": cannot read the data file: " + system_error());
  return {bytes.data(), static_cast<std::size_t>(length)};
}

FileHandle open_serial(const std::string& path) {
  initialise_hdf5();
  const std::string begin = first_bytes(path);
  const PropertyHandle access = serial_access();
  FileHandle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()));
  if (file.valid()) return file;
  const std::string reason = hdf5_error();
  // A file cut inside its first block is not even recognised; the signature tells.
  if (reason.find("truncated") != std::string::npos) {
    fail(path + ": the HDF5 file is truncated (" + reason + "); copy or write it again");
  }
  if (begin == signature) {
    fail(path + ": the HDF5 file is damaged or truncated (" + reason + "); copy or write it again");
  }
  fail(path + ": is not an HDF5 file");
}

// Levenshtein distance, for names of at most a few dozen letters.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      const std::size_t changed = corner + (a[i] == b[j] ? 0 : 1);
      row[j + 1] = std::min({row[j] + 1, above + 1, changed});
      corner = above;
    }
  }
  return row.back();
}

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

std::string join(const std::string& group, const std::string& name) {
  return (group == "/" ? group : group + "/") + name;
}

// "/pixels holds coffee, hubble, ..." with the names nearest to `wanted` first.
std::string list_members(hid_t file, const std::string& group, const std::string& wanted) {
  constexpr std::size_t most = 12;
  std::vector<std::string> names;
  hsize_t start = 0;
  H5Literate_by_name(file, group.c_str(), H5_INDEX_NAME, H5_ITER_NATIVE, &start, collect_name,
                     &names, H5P_DEFAULT);
  if (names.empty()) return group + " is empty";
  std::ranges::sort(names);
  std::ranges::stable_sort(names, {},
                           [&](const std::string& name) { return distance(name, wanted); });
  std::string text = group + " holds ";
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  if (!wanted.empty() && distance(names[0], wanted) <= 2) {
    text = "did you mean " + join(group, names[0]) + "? " + text;
  }
  return text;
}

std::string normalised(const std::string& dataset) {
  std::string result;
  for (std::size_t i = 0; i < dataset.size();) {
    const std::size_t begin = dataset.find_first_not_of('/', i);
    if (begin == std::string::npos) break;
    const std::size_t end = std::min(dataset.find('/', begin), dataset.size());
    result += '/';
    result.append(dataset, begin, end - begin);
    i = end;
  }
  return result.empty() ? "/" : result;
}

// Walks down the path so that the message can say where it ends.
void check_exists(hid_t file, const std::string& path, const std::string& dataset) {
  std::string group = "/";
  for (std::size_t begin = 1; begin < dataset.size();) {
    const std::size_t end = std::min(dataset.find('/', begin), dataset.size());
    const std::string name = dataset.substr(begin, end - begin);
    const std::string next = join(group, name);
    const bool there = H5Lexists(file, next.c_str(), H5P_DEFAULT) > 0 &&
                       H5Oexists_by_name(file, next.c_str(), H5P_DEFAULT) > 0;
    if (!there) {
      fail(path + ": there is no dataset " + dataset + "; " + list_members(file, group, name));
    }
    group = next;
    begin = end + 1;
    H5O_info_t info;
    const bool known =
        H5Oget_info_by_name2(file, next.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0;
    if (begin < dataset.size() && known && info.type != H5O_TYPE_GROUP) {
      fail(path + ": there is no dataset " + dataset + "; " + next + " is not a group");
    }
  }
}

std::string class_name(H5T_class_t type) {
  switch (type) {
    case H5T_STRING:
      return "text";
    case H5T_COMPOUND:
      return "compound records";
    case H5T_ENUM:
      return "enumerated values (booleans in NumPy)";
    case H5T_INTEGER:
    case H5T_FLOAT:
      return "numbers of an unusual format";
    default:
      return "no plain numbers";
  }
}

NumberFormat number_format(hid_t type, const std::string& place) {
  using Kind = NumberFormat::Kind;
  struct Known {
    hid_t id;
    NumberFormat format;
  };
  const std::array<Known, 20> formats{{
      {H5T_IEEE_F32LE, {Kind::real, 4, false}},
      {H5T_IEEE_F32BE, {Kind::real, 4, true}},
      {H5T_IEEE_F64LE, {Kind::real, 8, false}},
      {H5T_IEEE_F64BE, {Kind::real, 8, true}},
      {H5T_STD_I8LE, {Kind::signed_integer, 1, false}},
      {H5T_STD_I8BE, {Kind::signed_integer, 1, true}},
      {H5T_STD_I16LE, {Kind::signed_integer, 2, false}},
      {H5T_STD_I16BE, {Kind::signed_integer, 2, true}},
      {H5T_STD_I32LE, {Kind::signed_integer, 4, false}},
      {H5T_STD_I32BE, {Kind::signed_integer, 4, true}},
      {H5T_STD_I64LE, {Kind::signed_integer, 8, false}},
      {H5T_STD_I64BE, {Kind::signed_integer, 8, true}},
      {H5T_STD_U8LE, {Kind::unsigned_integer, 1, false}},
      {H5T_STD_U8BE, {Kind::unsigned_integer, 1, true}},
      {H5T_STD_U16LE, {Kind::unsigned_integer, 2, false}},
      {H5T_STD_U16BE, {Kind::unsigned_integer, 2, true}},
      {H5T_STD_U32LE, {Kind::unsigned_integer, 4, false}},
      {H5T_STD_U32BE, {Kind::unsigned_integer, 4, true}},
      {H5T_STD_U64LE, {Kind::unsigned_integer, 8, false}},
      {H5T_STD_U64BE, {Kind::unsigned_integer, 8, true}},
  }};
  for (const Known& known : formats) {
    if (H5Tequal(type, known.id) > 0) return known.format;
  }
  fail(place + " holds " + class_name(H5Tget_class(type)) + " (" +
       std::to_string(8 * H5Tget_size(type)) +
       " bits each); float32, float64 or integers of 8 to 64 bits are needed");
}

std::vector<std::int64_t> read_shape(hid_t dataset, const std::string& place) {
  const SpaceHandle space(H5Dget_space(dataset));
  const int axes = space.valid() ? H5Sget_simple_extent_ndims(space.id()) : -1;
  if (axes < 0) fail(place + ": the shape cannot be read: " + hdf5_error());
  if (H5Sget_simple_extent_type(space.id()) == H5S_NULL) fail(place + " has no data at all");
  std::vector<hsize_t> extents(static_cast<std::size_t>(axes));
  H5Sget_simple_extent_dims(space.id(), extents.data(), nullptr);
  // Bytes as doubles must stay countable in 63 bits, whatever a header claims.
  const auto most = static_cast<hsize_t>(std::numeric_limits<std::int64_t>::max() / 8);
  hsize_t room = most;
  for (const hsize_t extent : extents) {
    if (extent > most || (extent > 0 && (room /= extent) == 0)) {
      fail(place + " claims more elements than 64-bit sizes can count; the file is damaged");
    }
  }
  return {extents.begin(), extents.end()};
}

Found describe(const std::string& path, const std::string& name) {
  const FileHandle file = open_serial(path);
  const std::string dataset_name = normalised(name);
  const std::string place = path + ":" + dataset_name;
  check_exists(file.id(), path, dataset_name);
  H5O_info_t object;
  if (H5Oget_info_by_name2(file.id(), dataset_name.c_str(), &object, H5O_INFO_BASIC, H5P_DEFAULT) <
      0) {
    fail(place + ": cannot be opened: " + hdf5_error());
  }
  if (object.type != H5O_TYPE_DATASET) {
    fail(place + " is a group, not a dataset; " + list_members(file.id(), dataset_name, ""));
  }
  const DatasetHandle dataset(H5Dopen2(file.id(), dataset_name.c_str(), H5P_DEFAULT));
  if (!dataset.valid()) fail(place + ": cannot be opened: " + hdf5_error());
  const TypeHandle type(H5Dget_type(dataset.id()));
  Found found;
  found.format = number_format(type.id(), place);
  found.info = {path, dataset_name, read_shape(dataset.id(), place), found.format.name()};
  const PropertyHandle creation(H5Dget_create_plist(dataset.id()));
  found.filtered = H5Pget_nfilters(creation.id()) > 0;
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    std::vector<hsize_t> chunk(std::max<std::size_t>(found.info.shape.size(), 1));
    H5Pget_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data());
    found.chunk_bytes = found.format.bytes;
    for (const hsize_t extent : chunk) found.chunk_bytes *= static_cast<std::int64_t>(extent);
  }
  return found;
}

}  // namespace

Found find_dataset(const parallel::Communicator& comm, const std::string& file,
                   const std::string& dataset) {
  Found found;
  parallel::agree(comm, [&] {
    if (comm.is_root()) found = describe(file, dataset);
  });
  std::string name = found.info.dataset;
  comm.broadcast(name);
  std::array<std::int64_t, 6> head{static_cast<std::int64_t>(found.format.kind),
                                   found.format.bytes,
                                   found.format.big_endian ? 1 : 0,
                                   found.filtered ? 1 : 0,
                                   found.chunk_bytes,
                                   static_cast<std::int64_t>(found.info.shape.size())};
  comm.broadcast(std::span<std::int64_t>(head));
  found.format = {static_cast<NumberFormat::Kind>(head[0]), head[1], head[2] != 0};
  found.filtered = head[3] != 0;
  found.chunk_bytes = head[4];
  found.info.shape.resize(static_cast<std::size_t>(head[5]));
  comm.broadcast(std::span<std::int64_t>(found.info.shape));
  found.info.path = file;
  found.info.dataset = name;
  found.info.type = found.format.name();
  return found;
}

DatasetInfo inspect(const parallel::Communicator& comm, const std::string& file,
                    const std::string& dataset) {
  return find_dataset(comm, file, dataset).info;
}

}  // namespace mensura::output
