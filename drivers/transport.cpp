// SPDX-License-Identifier: BSD-3-Clause
// mensura-transport: optimal transport between two or many measures, with a certificate.
#include "output/history.hpp"
#include "run/application.hpp"
#include "transport/deck.hpp"
#include "transport/prediction.hpp"
#include "transport/result_job.hpp"
#include "transport/results.hpp"

namespace {

using namespace mensura;

void write_results(run::Job& job, const input::Deck&, const output::Record& record,
                   const run::ResultsTarget& target, const parallel::Communicator& comm) {
  const auto& transport = dynamic_cast<transport::ResultJob&>(job);
  auto file = output::File::create(comm, target.folder + "/results.h5");
  output::write_header(file, "mensura-transport", target.provenance);
  if (transport.result()) {
    transport::write_answer(file, transport.problem(), *transport.result());
  }
  output::write_history(file, record);
  if (target.complete) file.finish();
  if (transport.result() && target.fields) {
    transport::write_fields(comm, target.folder + "/fields", target.provenance,
                            *transport.result());
  }
}

}  // namespace

int main(int argc, char** argv) {
  run::Driver driver;
  driver.name = "transport";
  driver.schema = transport::schema();
  driver.petsc_prefix = "transport_";
  driver.restart_keys = {"solve", "petsc"};
  driver.predict = [](const input::Deck& deck, const parallel::Communicator& comm) {
    return transport::predict(transport::problem_from(deck), comm);
  };
  driver.make_job = [](const input::Deck& deck, const parallel::Communicator& comm) {
    return transport::make_job(transport::problem_from(deck), comm);
  };
  driver.write_results = write_results;
  return run::main(argc, argv, driver);
}
