// SPDX-License-Identifier: BSD-3-Clause
// Shared by the tests of src/output.
#pragma once

#include <hdf5.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"

namespace mensura::test {

/// A folder that all ranks see; made and removed collectively.
class SharedFolder {
 public:
  explicit SharedFolder(const parallel::Communicator& comm) : comm_(comm) {
    std::string name = (std::filesystem::temp_directory_path() / "mensura-XXXXXX").string();
    if (comm.is_root() && ::mkdtemp(name.data()) == nullptr) std::abort();
    comm.broadcast(name);
    path_ = name;
  }
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;
  ~SharedFolder() {
    comm_.barrier();
    std::error_code ignored;
    if (comm_.is_root()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  const parallel::Communicator& comm_;
  std::string path_;
};

struct Caught {
  int code = 0;  ///< 0: nothing was thrown
  std::string text;
};

template <class Action>
Caught catch_error(Action action) {
  try {
    action();
  } catch (const parallel::Error& error) {
    return {static_cast<int>(error.code()), error.what()};
  } catch (const std::exception& error) {
    return {-1, error.what()};
  }
  return {};
}

/// This rank's part [first, last) of n.
struct Part {
  std::int64_t first, last;
  Part(const parallel::Communicator& comm, std::int64_t n)
      : first(n * comm.rank() / comm.size()), last(n * (comm.rank() + 1) / comm.size()) {}
  std::int64_t count() const { return last - first; }
};

/// Sets the transfer limit and puts it back.
class TransferLimit {
 public:
  explicit TransferLimit(std::int64_t bytes) : old_(output::transfer_limit()) {
    output::set_transfer_limit(bytes);
  }
  TransferLimit(const TransferLimit&) = delete;
  TransferLimit& operator=(const TransferLimit&) = delete;
  ~TransferLimit() { output::set_transfer_limit(old_); }

 private:
  std::int64_t old_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
}

/// One process, plain HDF5: an independent reader and writer of test files.
inline std::vector<hsize_t> serial_shape(const std::string& path, const std::string& dataset) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t data = H5Dopen2(file, dataset.c_str(), H5P_DEFAULT);
  if (data < 0) {
    H5Fclose(file);
    return {};
  }
  const hid_t space = H5Dget_space(data);
  std::vector<hsize_t> shape(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  H5Sget_simple_extent_dims(space, shape.data(), nullptr);
  H5Sclose(space);
  H5Dclose(data);
  H5Fclose(file);
  return shape;
}

template <class T>
std::vector<T> serial_read(const std::string& path, const std::string& dataset, hid_t type) {
  std::size_t count = 1;
  for (const hsize_t extent : serial_shape(path, dataset)) count *= extent;
  std::vector<T> values(count);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t data = H5Dopen2(file, dataset.c_str(), H5P_DEFAULT);
  if (H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) values.clear();
  H5Dclose(data);
  H5Fclose(file);
  return values;
}

inline std::vector<double> serial_reals(const std::string& path, const std::string& dataset) {
  return serial_read<double>(path, dataset, H5T_NATIVE_DOUBLE);
}
inline std::vector<std::int64_t> serial_integers(const std::string& path,
                                                 const std::string& dataset) {
  return serial_read<std::int64_t>(path, dataset, H5T_NATIVE_INT64);
}

/// Root attribute of type int64, or -1.
inline std::int64_t serial_attribute(const std::string& path, const std::string& object,
                                     const std::string& name) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  std::int64_t value = -1;
  const hid_t id = H5Aopen_by_name(file, object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  if (id >= 0) {
    H5Aread(id, H5T_NATIVE_INT64, &value);
    H5Aclose(id);
  }
  H5Fclose(file);
  return value;
}

inline std::string serial_text(const std::string& path, const std::string& object,
                               const std::string& name) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t id = H5Aopen_by_name(file, object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  std::string text;
  if (id >= 0) {
    const hid_t type = H5Aget_type(id);
    char* value = nullptr;
    if (H5Aread(id, type, &value) >= 0 && value != nullptr) {
      text = value;
      H5free_memory(value);
    }
    H5Tclose(type);
    H5Aclose(id);
  }
  H5Fclose(file);
  return text;
}

/// Adds a dataset to a file (which is made when missing). `file_type` is how it is stored;
/// chunk > 0 makes chunks of that many rows, compressed and checksummed.
template <class T>
void serial_write(const std::string& path, const std::string& dataset, hid_t memory_type,
                  hid_t file_type, const std::vector<hsize_t>& shape, const std::vector<T>& values,
                  hsize_t chunk = 0) {
  const bool exists = std::filesystem::exists(path);
  const hid_t file = exists ? H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)
                            : H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  if (chunk > 0) {
    std::vector<hsize_t> extents = shape;
    extents[0] = chunk;
    H5Pset_chunk(creation, static_cast<int>(extents.size()), extents.data());
    H5Pset_deflate(creation, 1);
    H5Pset_fletcher32(creation);
  }
  const hid_t data =
      H5Dcreate2(file, dataset.c_str(), file_type, space, links, creation, H5P_DEFAULT);
  if (!values.empty()) {
    H5Dwrite(data, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  }
  H5Dclose(data);
  H5Pclose(creation);
  H5Pclose(links);
  H5Sclose(space);
  H5Fclose(file);
}

}  // namespace mensura::test
