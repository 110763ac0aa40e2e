// SPDX-License-Identifier: BSD-3-Clause
// mensura-gp: partial differential equations solved as Gaussian-process conditioning.
#include "gp/answer.hpp"
#include "gp/deck.hpp"
#include "gp/job.hpp"
#include "gp/prediction.hpp"
#include "output/history.hpp"
#include "run/application.hpp"

namespace {

using namespace mensura;

void write_results(run::Job& job, const input::Deck&, const output::Record& record,
                   const run::ResultsTarget& target, const parallel::Communicator& comm) {
  const auto& gp = dynamic_cast<gp::GpJob&>(job);
  auto file = output::File::create(comm, target.folder + "/results.h5");
  output::write_header(file, "mensura-gp", target.provenance);
  if (gp.result()) gp::write_answer(file, *gp.result());
  output::write_history(file, record);
  if (target.complete) file.finish();
  if (gp.result() && target.fields) {
    gp::write_fields(comm, target.folder + "/fields", target.provenance, *gp.result());
  }
}

}  // namespace

int main(int argc, char** argv) {
  run::Driver driver;
  driver.name = "gp";
  driver.schema = gp::schema();
  driver.petsc_prefix = "gp_";
  driver.restart_keys = {"solve", "petsc"};
  driver.predict = [](const input::Deck& deck, const parallel::Communicator& comm) {
    return gp::predict(gp::problem_from(deck), comm);
  };
  driver.make_job = [](const input::Deck& deck, const parallel::Communicator& comm) {
    return std::make_unique<gp::GpJob>(gp::problem_from(deck), comm);
  };
  driver.write_results = write_results;
  return run::main(argc, argv, driver);
}
