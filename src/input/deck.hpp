// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "input/diagnostics.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"
#include "parallel/communicator.hpp"

namespace mensura::input {

/// A checked deck with all defaults filled. Cheap to copy.
class Deck {
 public:
  Deck(std::string file, std::string bytes, Node root);
  Node operator[](std::string_view key) const { return root_[key]; }
  const Node& root() const { return root_; }
  const std::string& file() const { return file_; }      ///< as given by the user
  const std::string& bytes() const { return *bytes_; }   ///< as read (input.yaml), no overrides
  const std::string& sha256() const { return sha256_; }  ///< of the bytes, hexadecimal
  /// The deck with overrides applied and all defaults filled. Reading it again gives the same text.
  std::string resolved_yaml() const;

 private:
  std::string file_;
  std::shared_ptr<const std::string> bytes_;
  std::string sha256_;
  Node root_;
};

/// Values of ${NAME}. A name that is not in the map is undefined. ${DECK} is the deck's file name
/// without extension, always.
using Variables = std::map<std::string, std::string>;

/// The environment of this process for every ${NAME} in `text`.
Variables environment_of(std::string_view text);

/// Local. Checks `bytes` against the schema; `file` (any name) gives messages their position and
/// relative paths their folder. Overrides "key.path=value" are applied in order; list entries by
/// number. Throws Error{usage} with all errors.
Deck parse_deck(const std::string& file, const std::string& bytes, const Schema& schema,
                const std::vector<std::string>& overrides = {}, const Variables& variables = {});

/// Collective. Rank 0 reads the file and its environment once; all ranks parse the same bytes.
/// `path` and `overrides` count on rank 0 only. Throws Error{usage} with the same text on all ranks
/// for a deck that cannot be read (missing, a folder, larger than 16 MiB) or is wrong.
Deck read_deck(const parallel::Communicator& comm, const std::string& path, const Schema& schema,
               const std::vector<std::string>& overrides = {});

/// Local. The files named by keys of kind `path`, in the order of the deck, each with its size and
/// time of modification as text: "a.h5 (1024 bytes, modified 1767225600000000000 ns)". Cheap to
/// compare.
std::vector<std::string> input_files(const Deck& deck);

/// Collective. Rank 0 checks that every file named by a key of kind `path` exists and can be read;
/// throws Error{input_data} that lists all missing ones with their position in the deck.
void check_files(const parallel::Communicator& comm, const Deck& deck);

}  // namespace mensura::input
