// SPDX-License-Identifier: BSD-3-Clause
// mensura-divergence: how far apart are sample sets?
#include "divergence/deck.hpp"
#include "divergence/job.hpp"
#include "divergence/prediction.hpp"
#include "divergence/results.hpp"
#include "output/history.hpp"
#include "run/application.hpp"

namespace {

using namespace mensura;

void write_results(run::Job& job, const input::Deck&, const output::Record& record,
                   const run::ResultsTarget& target, const parallel::Communicator& comm) {
  const auto& divergence = dynamic_cast<divergence::DivergenceJob&>(job);
  auto file = output::File::create(comm, target.folder + "/results.h5");
  output::write_header(file, "mensura-divergence", target.provenance);
  divergence::write_quantities(file, divergence.problem(), divergence.answers());
  output::write_history(file, record);
  if (target.complete) file.finish();
}

}  // namespace

int main(int argc, char** argv) {
  run::Driver driver;
  driver.name = "divergence";
  driver.schema = divergence::schema();
  driver.petsc_prefix = "divergence_";
  driver.predict = [](const input::Deck& deck, const parallel::Communicator& comm) {
    return divergence::predict(divergence::problem_from(deck), comm);
  };
  driver.make_job = [](const input::Deck& deck, const parallel::Communicator& comm) {
    return std::make_unique<divergence::DivergenceJob>(divergence::problem_from(deck), comm);
  };
  driver.write_results = write_results;
  return run::main(argc, argv, driver);
}
