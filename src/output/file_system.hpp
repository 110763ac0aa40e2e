// SPDX-License-Identifier: BSD-3-Clause
// Private to this folder. What HDF5 does not do: space, durability, plain files. All functions are
// local; failures are Error{output} with the system's own words.
#pragma once

#include <cstdint>
#include <string>

namespace mensura::output {

/// Text of the current errno.
std::string system_error();

/// Folder of a path ("." when it names none) and its last part.
std::string folder_of(const std::string& path);
std::string name_of(const std::string& path);

/// Creates or truncates a regular file.
void create_empty(const std::string& path);
/// Checks that this process can open the file for writing.
void check_writable(const std::string& path);

/// Makes one folder level; an existing folder is accepted.
void make_folder(const std::string& path);

/// Bytes that an ordinary user may still write in the file system of `folder`.
std::int64_t free_space(const std::string& folder);
/// Throws unless `bytes` more fit into the file system of `folder`.
void check_free_space(const std::string& folder, std::int64_t bytes, const std::string& what);

/// Makes the disk blocks [0, bytes) of `path` sure, so that later writes cannot meet a full disk;
/// where the file system cannot, compares with the free space.
void reserve(const std::string& path, std::int64_t bytes, const std::string& what);
/// Points every descriptor that this process holds on `path` to an empty file in memory, so that a
/// library can close a file whose disk refuses writes. False when the system does not let it.
bool divert_to_memory(const std::string& path) noexcept;

/// Forces the contents of a file (or the entries of a folder) to the disk. With `forget`, also out
/// of the page cache, so that the next read comes from the device.
void sync_to_disk(const std::string& path, bool forget = false);

/// Writes a small file: a temporary beside it, fsync, rename, fsync of the folder.
void write_text(const std::string& path, const std::string& text);
/// The same without the rename, for a file that must not exist before.
void write_new_text(const std::string& path, const std::string& text);

/// Removes a file or a tree; a failure is ignored (the caller has something worse to report).
void remove_quietly(const std::string& path) noexcept;

}  // namespace mensura::output
