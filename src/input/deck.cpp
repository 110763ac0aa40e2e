// SPDX-License-Identifier: BSD-3-Clause
#include "input/deck.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "input/identity.hpp"
#include "input/reader.hpp"
#include "input/yaml_tree.hpp"
#include "parallel/error.hpp"

namespace mensura::input {
namespace {

using parallel::Error;
using parallel::ExitCode;

// All that a rank needs to read the deck as rank 0 would.
struct Source {
  std::string file{};
  std::string folder{};  // absolute
  std::string bytes{};
  std::vector<std::string> overrides{};
  Variables variables{};
};

Deck parse(const Source& source, const Schema& schema) {
  Diagnostics diagnostics(source.file);
  RawNode raw = parse_yaml(source.file, source.bytes);
  if (raw.form == RawNode::Form::null) {
    diagnostics.error({source.file, 1, 1}, "",
                      "found an empty deck; --print-defaults writes one to start from");
    diagnostics.finish();
  }
  remove_duplicates(raw, "", diagnostics);
  int number = 0;
  for (const std::string& text : source.overrides) {
    apply_override(raw, text, ++number, diagnostics);
  }
  Variables variables = source.variables;
  variables["DECK"] = std::filesystem::path(source.file).stem().string();
  Reader reader(diagnostics, variables, source.folder);
  const auto root = reader.read_table(schema.root, &raw, "", {source.file, 1, 1});
  reader.run_checks(root);
  diagnostics.finish();
  return {source.file, source.bytes, Node(root)};
}

constexpr std::streamsize largest_deck = 16 << 20;

std::string read_file(const std::string& path) {
  const auto fail = [&](const std::string& why) -> std::string {
    throw Error(ExitCode::usage, fmt::format("deck '{}' {}", path, why));
  };
  std::error_code ignored;
  if (path.empty()) return fail("has no name: give a deck, or see --help");
  if (!std::filesystem::exists(path, ignored)) {
    return fail("does not exist; check the name and the working directory");
  }
  if (std::filesystem::is_directory(path, ignored)) return fail("is a folder; name a file in it");
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return fail(fmt::format("cannot be opened: {}", std::strerror(errno)));
  std::string bytes(static_cast<std::size_t>(largest_deck) + 1, '\0');
  stream.read(bytes.data(), largest_deck + 1);
  if (stream.bad()) return fail(fmt::format("cannot be read: {}", std::strerror(errno)));
  if (stream.gcount() > largest_deck) {
    return fail("is larger than 16 MiB; name data files in it instead of writing data into it");
  }
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bytes;
}

// Texts as one string of "length:text" for one broadcast.
void append(std::string& packed, const std::string& text) {
  packed += std::to_string(text.size()) + ":" + text;
}

std::string take(const std::string& packed, std::size_t& at) {
  const std::size_t colon = packed.find(':', at);
  const std::size_t length = std::stoul(packed.substr(at, colon - at));
  at = colon + 1 + length;
  return packed.substr(colon + 1, length);
}

std::string pack(const Source& source) {
  std::string packed;
  for (const std::string& text : {source.file, source.folder, source.bytes}) append(packed, text);
  append(packed, std::to_string(source.overrides.size()));
  for (const std::string& text : source.overrides) append(packed, text);
  for (const auto& [name, value] : source.variables) {
    append(packed, name);
    append(packed, value);
  }
  return packed;
}

Source unpack(const std::string& packed) {
  std::size_t at = 0;
  Source source;
  source.file = take(packed, at);
  source.folder = take(packed, at);
  source.bytes = take(packed, at);
  const std::size_t number = std::stoul(take(packed, at));
  for (std::size_t i = 0; i < number; ++i) source.overrides.push_back(take(packed, at));
  while (at < packed.size()) {
    const std::string name = take(packed, at);
    source.variables[name] = take(packed, at);
  }
  return source;
}

std::string absolute_folder(const std::string& file) {
  std::error_code ignored;
  return std::filesystem::absolute(file, ignored).parent_path().string();
}

void collect_files(const std::shared_ptr<Value>& value, std::vector<Node>& files) {
  if (value->kind == Kind::path && value->state == Value::State::good) files.emplace_back(value);
  for (const auto& child : value->children) collect_files(child, files);
}

std::string file_problem(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return "does not exist";
  if (std::filesystem::is_directory(path, ignored)) return "is a folder";
  if (::access(path.c_str(), R_OK) != 0) return "may not be read by this user";
  return {};
}

}  // namespace

Deck::Deck(std::string file, std::string bytes, Node root)
    : file_(std::move(file)),
      bytes_(std::make_shared<const std::string>(std::move(bytes))),
      sha256_(input::sha256(*bytes_)),
      root_(std::move(root)) {}

std::string Deck::resolved_yaml() const {
  return emit_yaml(root_.value());
}

Variables environment_of(std::string_view text) {
  Variables variables;
  for (std::size_t at = text.find("${"); at != std::string_view::npos; at = text.find("${", at)) {
    at += 2;
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) break;
    const std::string name(text.substr(at, end - at));
    if (const char* value = std::getenv(name.c_str())) variables[name] = value;
  }
  return variables;
}

Deck parse_deck(const std::string& file, const std::string& bytes, const Schema& schema,
                const std::vector<std::string>& overrides, const Variables& variables) {
  return parse({file, absolute_folder(file), bytes, overrides, variables}, schema);
}

Deck read_deck(const parallel::Communicator& comm, const std::string& path, const Schema& schema,
               const std::vector<std::string>& overrides) {
  std::string packed;
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    Source source{path, absolute_folder(path), read_file(path), overrides, {}};
    source.variables = environment_of(source.bytes);
    for (const std::string& text : overrides) source.variables.merge(environment_of(text));
    packed = pack(source);
  });
  comm.broadcast(packed);
  std::optional<Deck> deck;
  parallel::agree(comm, [&] { deck.emplace(parse(unpack(packed), schema)); });
  return std::move(*deck);
}

std::vector<std::string> input_files(const Deck& deck) {
  std::vector<Node> files;
  for (const auto& child : deck.root().value().children) collect_files(child, files);
  std::vector<std::string> result;
  for (const Node& node : files) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(node.path(), ignored);
    const auto time =
        std::chrono::file_clock::to_sys(std::filesystem::last_write_time(node.path(), ignored));
    result.push_back(fmt::format(
        "{} ({} bytes, modified {} ns)", node.path().string(), size,
        std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count()));
  }
  return result;
}

void check_files(const parallel::Communicator& comm, const Deck& deck) {
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    std::vector<Node> files;
    for (const auto& child : deck.root().value().children) collect_files(child, files);
    Diagnostics diagnostics(deck.file());
    for (const Node& node : files) {
      const std::string problem = file_problem(node.path().string());
      if (problem.empty()) continue;
      diagnostics.error(node, fmt::format("the file '{}' {}", node.path().string(), problem));
    }
    if (!diagnostics.empty()) throw Error(ExitCode::input_data, diagnostics.text());
  });
}

}  // namespace mensura::input
