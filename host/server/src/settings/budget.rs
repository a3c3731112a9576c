//! `[budget]` and the budgets of services and upstreams in the policy: how much may be spent, by whom, in which time.

use crate::settings::name::Name;
use crate::settings::price::{self, HostPrices, WrittenHostPrice};
use crate::settings::reader::Reader;
use crate::settings::units::Raw;
use crate::settings::upstream::{Class, Upstream};
use holdfast_call::NanoUsd;
use holdfast_rules::budget::{Limit, Limits};
use serde::Deserialize;
use std::collections::BTreeMap;

/// From how much of a budget on the operator is warned, in per cent.
pub const SOFT: u8 = 80;

/// `[budget]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenBudget {
    pub(crate) host: Option<String>,
    pub(crate) caller: Option<String>,
    pub(crate) execution: Option<Raw>,
    pub(crate) soft: Option<String>,
}

/// Where nobody says otherwise nothing is limited.
pub(super) const NONE: Limits = Limits {
    host: None,
    caller: None,
    execution: None,
    soft: SOFT,
};

/// The budgets, and what counts for them of the host's own.
pub(super) fn check(
    written: WrittenBudget,
    prices: WrittenHostPrice,
    reader: &mut Reader<'_>,
) -> (Limits, HostPrices) {
    let execution = written
        .execution
        .and_then(|raw| reader.take("budget.execution", raw.money().and_then(some)));
    let limits = Limits {
        host: limit(written.host.as_deref(), "budget.host", reader),
        caller: limit(written.caller.as_deref(), "budget.caller", reader),
        execution,
        soft: reader.or("budget.soft", written.soft.as_deref(), SOFT, soft),
    };
    (limits, price::check_host(prices, reader))
}

/// A budget of one service or upstream.
pub(super) fn limit(written: Option<&str>, key: &str, reader: &mut Reader<'_>) -> Option<Limit> {
    written.and_then(|text| reader.take(key, Limit::parse(text)))
}

/// What is limited must have a price, or the limit would hold nothing: a budget says what an upstream may cost, and a language model
/// costs something whatever else is said.
pub(super) fn check_prices(
    limits: &Limits,
    upstreams: &BTreeMap<Name, Upstream>,
    spends: impl Fn(&Name) -> bool,
    reader: &mut Reader<'_>,
) {
    let everybody = limits.host.is_some() || limits.caller.is_some() || limits.execution.is_some();
    for upstream in upstreams.values().filter(|one| one.price.is_none()) {
        let name = &upstream.name;
        let why = if upstream.budget.is_some() {
            "has a budget"
        } else if upstream.class == Class::Llm && (everybody || spends(name)) {
            "is of class \"llm\", and there is a budget that its cost counts for"
        } else {
            continue;
        };
        let message = format!(
            "{why}, but no price, so that nobody knows what it costs: write [upstreams.{name}.price] with `request`, which may be \"0 USD\""
        );
        let key = match upstream.budget {
            Some(_) => format!("upstreams.{name}.budget"),
            None => format!("upstreams.{name}"),
        };
        reader.wrong(&key, message);
    }
}

/// A limit of nothing would be a way to forbid; there are better ones.
fn some(amount: NanoUsd) -> Result<NanoUsd, String> {
    match amount {
        NanoUsd(0) => Err("is nothing: a budget is more than that".to_owned()),
        amount => Ok(amount),
    }
}

fn soft(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').and_then(|text| text.parse().ok());
    number
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| {
            format!(
                "`{}` is not a share between \"1%\" and \"100%\"",
                text.escape_debug()
            )
        })
}

/// The rows of `holdfast policy`.
pub(super) fn rows(limits: &Limits) -> [(&'static str, String); 4] {
    let execution = limits.execution;
    [
        ("budget.host", shown(limits.host)),
        ("budget.caller", shown(limits.caller)),
        (
            "budget.execution",
            execution.map_or_else(|| "none".to_owned(), |amount| amount.to_string()),
        ),
        ("budget.soft", format!("{}%", limits.soft)),
    ]
}

/// A budget, or that there is none.
pub(super) fn shown(limit: Option<Limit>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
}
