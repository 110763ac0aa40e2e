// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "input/deck.hpp"
#include "input/diagnostics.hpp"
#include "input/schema.hpp"
#include "output/hdf5.hpp"
#include "output/record.hpp"
#include "parallel/communicator.hpp"
#include "run/job.hpp"

namespace mensura::run {

/// What a run will need, as far as the deck and the sizes of its files tell.
struct Prediction {
  std::int64_t memory_bytes = 0;         ///< at the peak, on this rank
  std::int64_t communication_bytes = 0;  ///< sent by all ranks over the whole run
  std::int64_t checkpoint_bytes = 0;     ///< one checkpoint, all ranks
  std::string name = "this run";         ///< what is too large, where it is
  std::vector<std::string> lines{};      ///< further sizes worth knowing, for --dry-run
};

/// Where and how results are written.
struct ResultsTarget {
  std::string folder;  ///< the output folder
  bool fields = true;  ///< output.fields of the deck
  /// False after an error: then leave the file's attribute `complete` at 0 (do not call
  /// output::File::finish()).
  bool complete = true;
  output::Provenance provenance{};
};

/// All that a capability adds to the common life of a batch run.
struct Driver {
  std::string name;  ///< "divergence": the program is mensura-divergence
  input::Schema schema;
  std::string petsc_prefix{};  ///< "transport_"
  /// Sections and keys that say how to solve, not what: a restart from a checkpoint may change
  /// them.
  std::vector<std::string> restart_keys{};
  /// Local, the same on all ranks; optional. Checks beyond the schema.
  std::function<void(const input::Deck&, input::Diagnostics&)> check{};
  /// Collective; optional. Reads no data beyond headers of files.
  std::function<Prediction(const input::Deck&, const parallel::Communicator&)> predict{};
  /// Collective and cheap. The communicator outlives the job.
  std::function<std::unique_ptr<Job>(const input::Deck&, const parallel::Communicator&)> make_job;
  /// Collective; optional. Writes results.h5 and fields/ at the end of a run, after Job::record
  /// filled the record.
  std::function<void(Job&, const input::Deck&, const output::Record&, const ResultsTarget&,
                     const parallel::Communicator&)>
      write_results{};
};

/// The whole program: MPI, command line, deck, output folder, run loop, record. Returns the exit
/// code, the same on all ranks; no exception escapes. An error of one rank alone aborts the job
/// with the documented code.
int main(int argc, char** argv, const Driver& driver);

}  // namespace mensura::run
