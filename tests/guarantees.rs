//! One promise, one file: what is promised, what it costs to keep by hand, and the tests that hold it.

// Every wait ends, whoever waits for whom.
mod deadlines;
// Who goes away takes with him what was done for him.
mod cancellation;
// What a call may use up, counted from before its instance exists.
mod limits;
// What one service may take from the others.
mod sharing;
// What one caller may take, and all of them together.
mod rates;
// A guest sees what it was given, and nothing of the host or of another call.
mod isolation;
// An instance may serve several calls, and no call sees another one in it.
mod reuse;
// What went wrong inside stays inside; what was cut is seen as cut.
mod masking;
// The one way out, and whom it leads to.
mod egress;
// A name is followed where it leads, and nobody waits for who cannot say.
mod names;
// A bad moment of an upstream is not the caller's.
mod retries;
mod rollout;
// Nor is a bad day everybody's.
mod breakers;
// A secret is in the host, and nowhere else.
mod schedules;
mod secrets;
// Services call each other through the same pipeline.
mod internal;
// Or as functions of an interface, checked at the boundary.
pub(crate) mod contracts;
// What is checked is told, to people and programs.
mod descriptions;
// Or over plain HTTP, by a document.
mod described;
// Bodies flow both ways.
mod streams;
// What a guest sees of a request, and the caller of an answer.
mod gateway_view;
// A component dropped into the directory is served; a worse one is not.
mod loading;
// What is dropped in may be anything: compiling it harms nobody.
mod compiling;
// Three lines to a service, in any language.
mod any_language;
// By compilers that know only the old WASI.
mod any_compiler;
// And of any age.
mod any_age;
// For an earlier host, too.
mod museum;
// A version that is worse, or does not start, is not left in place.
mod lifecycle;
// A new binary takes over, and nobody notices.
mod takeover;
// The end is orderly.
mod drain;
// A connection is worth what is done on it.
mod connections;
// A key reaches its upstream, and nobody else.
mod credentials;
// A key that a service uses and never sees.
mod signatures;
// And none of them is found anywhere.
mod canaries;
// What an operator changes is on record.
mod audit;
// And is told what waits for him.
mod notices;
// What must last is kept elsewhere too.
mod backups;
// Or goes on with others, at a server.
mod moves;
// And so is what anybody asks.
mod recorded;
// What a service keeps is its own, is counted, and is there.
mod keyvalue;
// What one call at a time may do, one call at a time does.
mod leases;
// The same key takes effect once.
mod once;
// What cannot be undone waits for a person.
mod approvals;
// Who asks is known before anything is done for him.
mod identity;
// Or by whom somebody else vouches for.
mod tokens;
// Some routes are for everybody.
mod durable;
mod public_routes;
mod queues;
// What comes from a provider is verified before anybody believes it.
mod webhooks;
// What it reports is processed once.
mod orders;
// Somebody is reminded of what is due, once.
mod tasks_kept;
// And a bot answers once who writes to it.
mod bots;
// What happens is what author and operator both allow.
mod policy;
// What one client may hold of the gateway.
mod hostile_clients;
// The gateway, encrypted.
mod encryption;
// A call that went wrong is explained by its name.
mod explained;
// And runs again, as it was or with another build.
mod replay;
// What an upstream costs is counted.
mod prices;
// And nobody spends more than he may.
mod budgets;
// What an answer says of its connection is the host's to say.
mod frames;
mod handoffs;
// Every call leaves its line, its why and its id.
mod observability;

use crate::harness::{Guest, Setup};

/// The cases of WASI 0.2, served as `two` with this manifest.
fn two(manifest: &str) -> Setup {
    Setup::new().service("two", Guest::Case("wasi02"), manifest)
}

/// The cases of WASI 0.3, served as `three` with this manifest.
fn three(manifest: &str) -> Setup {
    Setup::new().service("three", Guest::Case("wasi03"), manifest)
}
