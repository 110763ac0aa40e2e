// SPDX-License-Identifier: BSD-3-Clause
#include "output/hdf5.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <numeric>
#include <utility>

#include "output/digest.hpp"
#include "output/file_system.hpp"
#include "output/hdf5_handle.hpp"
#include "output/hdf5_verify.hpp"
#include "parallel/environment.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;

constexpr std::int64_t chunk_bytes = std::int64_t{1} << 20;
// More than HDF5's own records (headers, groups, heaps, attributes) take for one call of ours.
constexpr std::int64_t records_per_call = std::int64_t{1} << 14;
constexpr hsize_t metadata_block = 32768;
// Reserved at once, so that not every attribute asks the file system.
constexpr std::int64_t reserve_ahead = std::int64_t{1} << 18;

std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

// Extents of a chunk of about chunk_bytes; from the shape alone, never from the ranks.
std::vector<std::int64_t> chunk_shape(const std::vector<std::int64_t>& shape,
                                      std::int64_t element_bytes) {
  std::vector<std::int64_t> chunk(shape.size());
  std::int64_t budget = chunk_bytes / element_bytes;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    chunk[axis] = std::min(shape[axis], std::max<std::int64_t>(budget, 1));
    budget /= chunk[axis];
  }
  return chunk;
}

TypeHandle text_type(std::size_t size) {
  TypeHandle type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.id(), size);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  H5Tset_strpad(type.id(), size == H5T_VARIABLE ? H5T_STR_NULLTERM : H5T_STR_NULLPAD);
  return type;
}

// Values of any supported element type, without their type.
struct Raw {
  hid_t type = H5I_INVALID_HID;
  std::int64_t element_bytes = 0;
  const void* data = nullptr;
  std::int64_t count = 0;
};

Raw raw(std::span<const double> values) {
  return {H5T_NATIVE_DOUBLE, 8, values.data(), static_cast<std::int64_t>(values.size())};
}
Raw raw(std::span<const std::int64_t> values) {
  return {H5T_NATIVE_INT64, 8, values.data(), static_cast<std::int64_t>(values.size())};
}

bool write_attribute(hid_t file, const std::string& object, const std::string& name, hid_t type,
                     hid_t space, const void* data) {
  const ObjectHandle owner(H5Oopen(file, object.c_str(), H5P_DEFAULT));
  if (!owner.valid()) return false;
  const htri_t exists = H5Aexists(owner.id(), name.c_str());
  if (exists < 0 || (exists > 0 && H5Adelete(owner.id(), name.c_str()) < 0)) return false;
  const AttributeHandle attribute(
      H5Acreate2(owner.id(), name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
  return attribute.valid() && H5Awrite(attribute.id(), type, data) >= 0;
}

}  // namespace

struct File::State {
  const parallel::Communicator* comm = nullptr;
  std::string path;
  Storage storage = Storage::contiguous;
  hid_t file = H5I_INVALID_HID;
  std::int64_t bound = metadata_block;  ///< bytes that the file has at most
  std::int64_t reserved = 0;            ///< bytes that the disk holds for it
  bool has_complete = false;
  bool collective = false;
  std::vector<Written> written;

  void open();
  void settle(bool succeeded, const std::string& what);
  void reserve_room(std::int64_t bytes, const std::string& what);
  void abandon(bool disk_failed);
  [[noreturn]] void end_job() const;
  void close();
  void verify_and_mark();
  void mark_complete();
  void write_attributes(const std::string& object, const std::string& name, const Raw& values,
                        bool scalar);
  void write_texts(const std::string& object, const std::string& name,
                   const std::vector<std::string>& values, bool scalar);
  PropertyHandle creation_properties(const std::vector<std::int64_t>& shape,
                                     std::int64_t element_bytes) const;
  void write_dataset(const std::string& name, const Raw& local,
                     const std::vector<std::int64_t>& shape, std::int64_t first,
                     const Labels& labels);
  void write_pieces(const DatasetHandle& dataset, const Raw& local,
                    const std::vector<std::int64_t>& shape, std::int64_t first,
                    const std::string& what);
  void check_placement(const std::string& name, const Raw& local,
                       const std::vector<std::int64_t>& shape, std::int64_t first) const;
};

// All ranks learn whether a step succeeded everywhere; if not, all leave, and the file with them.
void File::State::settle(bool succeeded, const std::string& what) {
  try {
    parallel::agree(*comm, [&] {
      if (succeeded) return;
      throw Error(ExitCode::output, path + ": cannot write " + what + ": " + hdf5_error() +
                                        "; check the disk and the quota of this folder");
    });
  } catch (const Error&) {
    abandon(true);
    throw;
  }
}

void File::State::open() {
  initialise_hdf5();
  // HDF5 begins to owe the disk something when it creates the file: a full one must show before.
  parallel::agree(*comm, [this] {
    if (!comm->is_root()) return;
    create_empty(path);
    try {
      reserve(path, reserve_ahead, "the file header");
    } catch (const Error&) {
      remove_quietly(path);
      throw;
    }
  });
  parallel::agree(*comm, [this] { check_writable(path); });
  const PropertyHandle access = parallel_access(*comm);
  const PropertyHandle creation(H5Pcreate(H5P_FILE_CREATE));
  // Records together at the front: fewer small writes, and they do not lie behind data for which
  // the disk had no room.
  H5Pset_meta_block_size(access.id(), metadata_block);
  // A failed file is closed with whatever is still open in it.
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG);
  if (storage == Storage::checksummed) {
    H5Pset_libver_bounds(access.id(), H5F_LIBVER_V110, H5F_LIBVER_V110);
  }
  file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id());
  parallel::agree(*comm, [this] {
    if (file >= 0) return;
    throw Error(ExitCode::output, path + ": cannot create the HDF5 file: " + hdf5_error());
  });
  reserve_room(0, "the file header");
}

// Makes sure of the space for `bytes` more of data and for HDF5's own records: a full disk must
// never be met inside HDF5, which cannot close a file whose metadata did not fit.
void File::State::reserve_room(std::int64_t bytes, const std::string& what) {
  // HDF5 does not tell the end of a parallel file; an upper bound does, the same on all ranks.
  bound += bytes + records_per_call;
  if (bound <= reserved) return;
  try {
    parallel::agree(*comm, [&] {
      if (comm->is_root()) reserve(path, bound + reserve_ahead, what);
    });
  } catch (const Error&) {
    abandon(false);
    throw;
  }
  reserved = bound + reserve_ahead;
}

// Collective. Closes and removes a file that cannot be finished. After a failed write HDF5 must not
// meet the disk again: when its last records cannot be written either, some ranks leave H5Fclose
// and the others wait in it for ever. So it closes into memory.
void File::State::abandon(bool disk_failed) {
  if (file < 0) return;
  const bool safe = !disk_failed || divert_to_memory(path);
  if (comm->min(std::int64_t{safe ? 1 : 0}) == 0) {
    parallel::abort_job(ExitCode::output, path +
                                              ": a write failed and the file cannot be closed; "
                                              "check the disk and the quota of this folder");
  }
  close();
  if (comm->is_root()) remove_quietly(path);
  comm->barrier();
}

// A rank whose HDF5 cannot write its records leaves the library's collective while others wait in
// it: there is nothing to agree on any more, and HDF5 offers no way back. The job ends here with
// the documented code.
void File::State::end_job() const {
  parallel::abort_job(ExitCode::output, path + ": cannot finish the file: " + hdf5_error() +
                                            "; check the disk and the quota of this folder");
}

// Collective.
void File::State::close() {
  const hid_t id = std::exchange(file, H5I_INVALID_HID);
  if (id >= 0 && H5Fclose(id) < 0) end_job();
}

void File::State::write_attributes(const std::string& object, const std::string& name,
                                   const Raw& values, bool scalar) {
  const std::string what = "attribute " + name + " of " + object;
  reserve_room(values.count * values.element_bytes, what);
  const hsize_t length = static_cast<hsize_t>(values.count);
  const SpaceHandle space(scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &length, nullptr));
  settle(space.valid() && write_attribute(file, object, name, values.type, space.id(), values.data),
         what);
}

// Attributes hold text of variable length, which every reader turns into its own string type.
void File::State::write_texts(const std::string& object, const std::string& name,
                              const std::vector<std::string>& values, bool scalar) {
  const std::string what = "attribute " + name + " of " + object;
  std::int64_t bytes = 0;
  std::vector<const char*> pointers;
  for (const std::string& value : values) {
    bytes += static_cast<std::int64_t>(value.size()) + 64;
    pointers.push_back(value.c_str());
  }
  reserve_room(bytes, what);
  const hsize_t length = values.size();
  const SpaceHandle space(scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &length, nullptr));
  const TypeHandle type = text_type(H5T_VARIABLE);
  settle(space.valid() && type.valid() &&
             write_attribute(file, object, name, type.id(), space.id(), pointers.data()),
         what);
}

// The file is open again for this, on all ranks.
void File::State::verify_and_mark() {
  const PropertyHandle access = parallel_access(*comm);
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG);
  file = H5Fopen(path.c_str(), H5F_ACC_RDWR, access.id());
  settle(file >= 0, "the file");
  for (const Written& array : written) {
    if (reads_back(*comm, file, array)) continue;
    abandon(true);
    throw Error(ExitCode::output, path + ": " + array.dataset +
                                      " reads back differently from what was written; the disk or "
                                      "the MPI-IO layer has lost data, check the disk and the "
                                      "quota of this folder");
  }
  mark_complete();
  close();
}

void File::State::mark_complete() {
  if (!has_complete) return;
  const std::int64_t yes = 1;
  const AttributeHandle mark(H5Aopen_by_name(file, "/", "complete", H5P_DEFAULT, H5P_DEFAULT));
  settle(mark.valid() && H5Awrite(mark.id(), H5T_NATIVE_INT64, &yes) >= 0,
         "the mark of completeness");
}

// No fill values: every position is written once. An empty array cannot have chunks.
PropertyHandle File::State::creation_properties(const std::vector<std::int64_t>& shape,
                                                std::int64_t element_bytes) const {
  PropertyHandle creation(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(creation.id(), false);
  if (storage == Storage::checksummed && product(shape) > 0) {
    const std::vector<hsize_t> chunk = to_extents(chunk_shape(shape, element_bytes));
    H5Pset_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data());
    H5Pset_fletcher32(creation.id());
  }
  return creation;
}

void File::State::check_placement(const std::string& name, const Raw& local,
                                  const std::vector<std::int64_t>& shape,
                                  std::int64_t first) const {
  const bool good = !shape.empty() && shape.size() <= H5S_MAX_RANK && first >= 0 &&
                    std::ranges::all_of(shape, [](std::int64_t extent) { return extent >= 0; }) &&
                    local.count <= product(shape) - first;
  parallel::require(good, "values placed outside of dataset " + name);
}

void File::State::write_dataset(const std::string& name, const Raw& local,
                                const std::vector<std::int64_t>& shape, std::int64_t first,
                                const Labels& labels) {
  parallel::agree(*comm, [&] { check_placement(name, local, shape, first); });
  // Chunks are stored whole, with a checksum and an index entry each.
  std::int64_t bytes = product(shape) * local.element_bytes;
  if (storage == Storage::checksummed) bytes += bytes / 64 + std::min(bytes, chunk_bytes);
  reserve_room(bytes, name);
  const std::vector<hsize_t> extents = to_extents(shape);
  const SpaceHandle space(
      H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
  const PropertyHandle links(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(links.id(), 1);
  const PropertyHandle creation = creation_properties(shape, local.element_bytes);
  DatasetHandle dataset(H5Dcreate2(file, name.c_str(), local.type, space.id(), links.id(),
                                   creation.id(), H5P_DEFAULT));
  const bool created = dataset.valid();
  settle(created, name);
  write_pieces(dataset, local, shape, first, name);
  settle(dataset.reset(), name);
  const std::uint64_t hash = hash_raw(first, local.data, local.count, local.element_bytes);
  written.push_back(
      {name, shape, local.element_bytes, comm->sum(local.count), sum_modulo(*comm, hash)});
  if (!labels.unit.empty()) write_texts(name, "unit", {labels.unit}, true);
  if (!labels.long_name.empty()) write_texts(name, "long_name", {labels.long_name}, true);
}

void File::State::write_pieces(const DatasetHandle& dataset, const Raw& local,
                               const std::vector<std::int64_t>& shape, std::int64_t first,
                               const std::string& what) {
  const bool chunked = storage == Storage::checksummed && product(shape) > 0;
  const std::int64_t alignment = chunked ? product(chunk_shape(shape, local.element_bytes)) : 1;
  const std::int64_t most = std::max<std::int64_t>(1, transfer_limit() / local.element_bytes);
  const std::vector<std::int64_t> cuts = cut_pieces(first, local.count, most, alignment);
  const auto pieces = static_cast<std::int64_t>(cuts.size()) - 1;
  const std::int64_t calls = comm->max(pieces);
  const PropertyHandle transfer = transfer_properties(true);
  bool all_collective = true;
  for (std::int64_t call = 0; call < calls; ++call) {
    const auto piece = static_cast<std::size_t>(std::min(call, pieces));
    const std::int64_t from = cuts[piece];
    const std::int64_t count = call < pieces ? cuts[piece + 1] - from : 0;
    const Selection selection(shape, from, count);
    const char* data = static_cast<const char*>(local.data) + (from - first) * local.element_bytes;
    char nothing = 0;
    bool good = H5Dwrite(dataset.id(), local.type, selection.memory.id(), selection.file.id(),
                         transfer.id(), count > 0 ? data : &nothing) >= 0;
    H5D_mpio_actual_io_mode_t mode = H5D_MPIO_NO_COLLECTIVE;
    if (good) H5Pget_mpio_actual_io_mode(transfer.id(), &mode);
    all_collective = all_collective && (count == 0 || mode != H5D_MPIO_NO_COLLECTIVE);
    good = good && selection.valid();
    settle(good, what);
  }
  collective = comm->min(std::int64_t{all_collective ? 1 : 0}) == 1;
}

File::File(std::unique_ptr<State> state) : state_(std::move(state)) {}
File::File(File&& other) noexcept = default;
File& File::operator=(File&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

File::~File() {
  if (state_ == nullptr || std::uncaught_exceptions() > 0) return;
  state_->close();
}

File File::create(const parallel::Communicator& comm, const std::string& path, Storage storage) {
  auto state = std::make_unique<State>();
  state->comm = &comm;
  state->path = path;
  state->storage = storage;
  state->open();
  return File(std::move(state));
}

const parallel::Communicator& File::communicator() const noexcept {
  return *state_->comm;
}
const std::string& File::path() const noexcept {
  return state_->path;
}
bool File::last_transfer_was_collective() const noexcept {
  return state_->collective;
}

void File::group(const std::string& name) {
  state_->reserve_room(0, "group " + name);
  const PropertyHandle links(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(links.id(), 1);
  ObjectHandle group(H5Oopen(state_->file, name.c_str(), H5P_DEFAULT));
  if (!group.valid()) {
    group =
        ObjectHandle(H5Gcreate2(state_->file, name.c_str(), links.id(), H5P_DEFAULT, H5P_DEFAULT));
  }
  const bool good = group.valid();
  state_->settle(good, "group " + name);
}

void File::attribute(const std::string& object, const std::string& name, const std::string& text) {
  state_->write_texts(object, name, {text}, true);
}
void File::attribute(const std::string& object, const std::string& name, const char* text) {
  state_->write_texts(object, name, {text}, true);
}
void File::attribute(const std::string& object, const std::string& name, std::int64_t value) {
  if (object == "/" && name == "complete") state_->has_complete = true;
  state_->write_attributes(object, name, raw(std::span<const std::int64_t>(&value, 1)), true);
}
void File::attribute(const std::string& object, const std::string& name, double value) {
  state_->write_attributes(object, name, raw(std::span<const double>(&value, 1)), true);
}
void File::attribute(const std::string& object, const std::string& name,
                     std::span<const std::int64_t> values) {
  state_->write_attributes(object, name, raw(values), false);
}
void File::attribute(const std::string& object, const std::string& name,
                     std::span<const double> values) {
  state_->write_attributes(object, name, raw(values), false);
}
void File::attribute(const std::string& object, const std::string& name,
                     const std::vector<std::string>& values) {
  state_->write_texts(object, name, values, false);
}

namespace {

// Rank 0 writes a replicated array, the others take part with nothing.
Raw only_on_root(const parallel::Communicator& comm, Raw values) {
  if (!comm.is_root()) values.count = 0;
  return values;
}

}  // namespace

void File::replicated(const std::string& dataset, std::span<const double> values,
                      const Labels& labels, std::vector<std::int64_t> shape) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
  state_->write_dataset(dataset, only_on_root(*state_->comm, raw(values)), shape, 0, labels);
}

void File::replicated(const std::string& dataset, std::span<const std::int64_t> values,
                      const Labels& labels, std::vector<std::int64_t> shape) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
  state_->write_dataset(dataset, only_on_root(*state_->comm, raw(values)), shape, 0, labels);
}

// Text of fixed length, padded with zeros: variable length cannot be written in parallel.
void File::replicated(const std::string& dataset, const std::vector<std::string>& values,
                      const Labels& labels) {
  std::size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  std::vector<char> padded(width * values.size(), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::ranges::copy(values[i], padded.begin() + static_cast<std::ptrdiff_t>(i * width));
  }
  const TypeHandle type = text_type(width);
  const auto count = static_cast<std::int64_t>(values.size());
  const Raw texts{type.id(), static_cast<std::int64_t>(width), padded.data(), count};
  state_->write_dataset(dataset, only_on_root(*state_->comm, texts), {count}, 0, labels);
}

void File::bytes(const std::string& dataset, const std::string& content, const Labels& labels) {
  const auto count = static_cast<std::int64_t>(content.size());
  const Raw values{H5T_NATIVE_UINT8, 1, content.data(), count};
  state_->write_dataset(dataset, only_on_root(*state_->comm, values), {count}, 0, labels);
}

void File::distributed(const std::string& dataset, std::span<const double> values,
                       const Placement& placement, const Labels& labels) {
  state_->write_dataset(dataset, raw(values), placement.shape, placement.first, labels);
}

void File::distributed(const std::string& dataset, std::span<const std::int64_t> values,
                       const Placement& placement, const Labels& labels) {
  state_->write_dataset(dataset, raw(values), placement.shape, placement.first, labels);
}

// Closing and opening again makes all ranks see what the disk has; the mark comes after the look,
// replaces a number of the same size and needs no space.
void File::finish() {
  State& state = *state_;
  state.reserve_room(0, "the file");
  // Checkpoints have their own look at the disk, and their own mark.
  if (state.storage == Storage::checksummed) state.mark_complete();
  state.close();
  state.comm->barrier();
  if (state.storage == Storage::contiguous) state.verify_and_mark();
  parallel::agree(*state.comm, [&] { sync_to_disk(state.path); });
}

}  // namespace mensura::output
