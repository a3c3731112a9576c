//! Calls that are captured: what is kept of them goes, and what a guest has besides its call, for whoever runs it again.

use super::{Host, layers};
use crate::captures::CaptureWriter;
use crate::settings::{Capture, Effective, Policy};
use holdfast_call::Settings;
use holdfast_rules::Parts;
use holdfast_rules::capture::{At, Captured, Gap, Keeps, World};
use holdfast_store::captures::CAPTURES;
use holdfast_wasm::imports::typed::Link;
use holdfast_wasm::limits::Limits;
use holdfast_wasm::service::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a guest has besides its call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Besides {
    pub(super) env: Vec<(String, String)>,
    pub(super) config: BTreeMap<String, String>,
    pub(super) limits: Limits,
    pub(super) links: Vec<Linked>,
}

/// Whom it is linked to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Linked {
    pub(super) interface: String,
    pub(super) service: String,
    pub(super) exported: String,
}

impl Linked {
    fn of(link: &Link) -> Self {
        Self {
            interface: link.interface.id.to_string(),
            service: link.service.to_string(),
            exported: link.exported.to_string(),
        }
    }
}

/// What writes down what is captured under a policy.
pub(super) fn writer(policy: &Policy, parts: &Parts) -> anyhow::Result<CaptureWriter> {
    let keep = (policy.capture.bytes, policy.capture.age());
    let clock = parts.sources.clock.clone();
    CaptureWriter::start(
        &policy.data.join(CAPTURES),
        keep,
        parts.captures.clone(),
        clock,
        parts.log.clone(),
    )
}

/// A service's settings, and what of them is for whoever runs its calls again.
pub(super) fn with(settings: Settings, effective: &Effective, service: &Service) -> Settings {
    let besides = Besides {
        env: effective.env.clone(),
        config: effective.config.iter().cloned().collect(),
        limits: layers::guest(effective),
        links: service.links().iter().map(Linked::of).collect(),
    };
    // Texts and numbers alone: there is nothing in it that could not be written.
    let world = serde_json::to_value(besides).unwrap_or_default();
    let settings = settings.with(World(Arc::new(world)));
    let keeps = match effective.capture {
        Capture::Off => return settings,
        Capture::Faults => Keeps::Faults,
        Capture::All => Keeps::All,
    };
    let files = effective.mounts.iter();
    let files = files.map(|mount| Gap {
        at: At::Surroundings,
        why: format!(
            "what is in {} is not kept ([files] of its manifest)",
            mount.guest
        ),
    });
    settings.with(Captured {
        keeps,
        gaps: files.collect(),
    })
}

impl Host {
    /// Writes down what was captured and is not yet, for nothing more comes.
    pub fn finish_captures(&self) {
        self.captures.finish();
    }
}
