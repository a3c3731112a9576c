//! One assumption, one file, that tries to break it. `make test` runs them small, `make stress` whole.

// An upstream that fails at everything.
mod a01_fragility;
// An upstream that takes half a minute.
mod a02_latency;
// A provider who fails, and his invoice.
mod a03_cost;
// Actions that nothing undoes, and a host that dies.
mod a04_reversibility;
// Proofs with one change, and words of strangers.
mod a05_trust;
// No call without a closing line, a why and an id, whatever it died of.
mod a06_observability;
// Every limit passed at once, beside neighbours.
mod a08_resource_limits;
// A mixed load, rebuilt from the audit log alone.
mod a09_explainability;
// Services that hand work to each other, in every version, shape and failure.
mod a10_coordination;
// Every way for a guest not to end.
mod hostile;
// A host that is killed a thousand times.
mod kills;
// Twenty-two services beside them.
mod neighbours;
// A machine that loses its power.
mod power_cut;
// Two of them on one database.
mod two_hosts;
// A thousand new versions under load.
mod reload;

use crate::harness::Host;
use holdfast_store::db::{Database, Place};
use holdfast_store::ledger::{self, Sums};

/// What the ledger of a host that has ended says in all.
fn sums(host: &Host) -> Sums {
    let file = host.dir().join("data/holdfast.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = Database::open(Place::File(file)).await.unwrap();
        let sums = ledger::sums(&database).await.unwrap();
        database.close().await;
        sums
    })
}
