// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fstream>
#include <string>
#include <vector>

namespace mensura::run {

/// How progress reaches the terminal; log.txt always gets plain lines.
enum class ProgressStyle {
  never,  ///< no progress on the terminal
  plain,  ///< one line per 5 % or 30 s
  live    ///< one line rewritten in place; only for a real terminal
};

/// Local. True under a launcher or a batch system, where stdout may be a pseudo-terminal that ends
/// in a file. Ask before MPI starts: Open MPI sets its variables in a program without launcher too.
bool under_launcher();

/// Local. `choice` is auto, plain or never; auto gives live on a terminal that is a human's.
ProgressStyle progress_style(const std::string& choice, bool launched);

/// The run's voice: rank 0's terminal and log.txt. All members are local, may be called on any rank
/// and do nothing (except warn, which remembers) on ranks other than 0. A log that cannot be
/// written never stops a run.
class Log {
 public:
  Log(bool is_root, ProgressStyle style) : is_root_(is_root), style_(style) {}

  /// Opens log.txt and writes the lines held so far. Throws Error{output} when it cannot be opened.
  void open(const std::string& path, bool append);
  void line(const std::string& text);  ///< terminal and file; text may have several lines
  void note(const std::string& text);  ///< file only
  void warn(const std::string& text);  ///< like line, marked, and kept for run.json
  void progress(const std::string& text, bool whole_step);  ///< `whole_step`: also as a plain line
  /// Takes up the warnings of earlier segments, silently.
  void recall(const std::vector<std::string>& warnings);
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  ProgressStyle style() const noexcept { return style_; }

 private:
  void terminal(const std::string& text);
  void file(const std::string& text);
  bool is_root_;
  ProgressStyle style_;
  bool transient_ = false;  ///< the terminal's last line is a progress line to be overwritten
  std::ofstream file_;
  std::vector<std::string> held_;  ///< lines before open()
  std::vector<std::string> warnings_;
};

}  // namespace mensura::run
