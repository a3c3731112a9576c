//! Prices: `[upstreams.NAME.price]`, what is paid to others, and `[price]`, what services cost that use the host.

use crate::settings::reader::Reader;
use crate::settings::source::join;
use crate::settings::units::Raw;
use crate::settings::upstream::within;
use holdfast_call::{NanoUsd, PicoUsd};
use holdfast_rules::budget::price::{HostPrice, PriceList, Said, Unit};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Dearer than this nothing is: it would be an amount in another unit.
const PRICE_MAX: NanoUsd = NanoUsd(1_000_000_000_000_000);
/// Of each answer so many things are looked for.
const UNITS_MAX: usize = 16;
/// More than this of a unit is no worst case that anybody reserves.
const MOST_MAX: u64 = 1_000_000_000_000;
/// The longest name of a price list.
const VERSION_BYTES_MAX: usize = 64;

/// `[upstreams.NAME.price]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenPrice {
    pub(crate) request: Option<Raw>,
    pub(crate) version: Option<String>,
    pub(crate) units: BTreeMap<String, WrittenUnit>,
}

/// `[upstreams.NAME.price.units.UNIT]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenUnit {
    pub(crate) rate: Option<String>,
    pub(crate) header: Option<String>,
    pub(crate) pointer: Option<String>,
    pub(crate) most: Option<Raw>,
}

/// `[price]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenHostPrice {
    pub(crate) cpu_second: Option<Raw>,
    pub(crate) gib_out: Option<Raw>,
    pub(crate) version: Option<String>,
}

/// What services cost that use the host; nothing, where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPrices {
    /// For each second of CPU time.
    pub cpu_second: Option<NanoUsd>,
    /// For each GiB that is answered to the outside.
    pub gib_out: Option<NanoUsd>,
    /// Which list it is.
    pub version: String,
}

impl HostPrices {
    /// The prices of a service that may use so much; none, where it costs nothing.
    #[must_use]
    pub fn of(&self, cpu_max: std::time::Duration, bytes_max: u64) -> Option<HostPrice> {
        if self.cpu_second.is_none() && self.gib_out.is_none() {
            return None;
        }
        Some(HostPrice {
            cpu_second: self.cpu_second.unwrap_or_default(),
            gib_out: self.gib_out.unwrap_or_default(),
            cpu_max,
            bytes_max,
            version: self.version.clone(),
        })
    }
}

/// The prices of the host.
pub(super) fn check_host(written: WrittenHostPrice, reader: &mut Reader<'_>) -> HostPrices {
    let WrittenHostPrice {
        cpu_second,
        gib_out,
        version,
    } = written;
    let mut amount = |raw: Option<Raw>, key: &str, what: &str| {
        let raw = raw?;
        reader.take(key, bounded(&raw, what))
    };
    HostPrices {
        cpu_second: amount(cpu_second, "price.cpu_second", "a second"),
        gib_out: amount(gib_out, "price.gib_out", "a GiB"),
        version: check_version(version, "price.version", reader),
    }
}

/// The prices of an upstream; none, where none is said.
pub(super) fn check(
    written: WrittenPrice,
    path: &str,
    reader: &mut Reader<'_>,
) -> Option<PriceList> {
    if written.request.is_none() && written.units.is_empty() {
        if written.version.is_some() {
            reader.wrong(&join(path, "version"), "is that of no price");
        }
        return None;
    }
    let request = written
        .request
        .and_then(|raw| reader.take(&join(path, "request"), bounded(&raw, "one request")));
    let path_of_units = join(path, "units");
    if written.units.len() > UNITS_MAX {
        let message = format!("names {} units; at most {UNITS_MAX}", written.units.len());
        reader.wrong(&path_of_units, message);
    }
    let units = written.units.into_iter();
    let units = units.filter_map(|(name, written)| {
        let path = join(&path_of_units, &name);
        unit(name, written, &path, reader)
    });
    let units = units.collect();
    Some(PriceList {
        request: request.unwrap_or_default(),
        units,
        version: check_version(written.version, &join(path, "version"), reader),
    })
}

fn unit(name: String, written: WrittenUnit, path: &str, reader: &mut Reader<'_>) -> Option<Unit> {
    let rate = match &written.rate {
        Some(text) => reader.take(&join(path, "rate"), rate(text)),
        None => missing(
            path,
            "rate",
            "what one costs, such as \"0.0000025 USD\"",
            reader,
        ),
    };
    let most = match &written.most {
        Some(raw) => {
            let most = raw.count().and_then(|most| within(most, 1, MOST_MAX));
            reader.take(&join(path, "most"), most)
        }
        None => missing(path, "most", "how many a request uses at most", reader),
    };
    let said = match (written.header, written.pointer) {
        (Some(name), None) => {
            let key = join(path, "header");
            let name = name
                .parse()
                .map_err(|_| format!("`{}` is no header", name.escape_debug()));
            reader.take(&key, name).map(Said::Header)
        }
        (None, Some(pointer)) => {
            let key = join(path, "pointer");
            reader.take(&key, check_pointer(pointer)).map(Said::Pointer)
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "needs one of the two that say where an answer tells how many were used: `header`, or `pointer`, such as \"/usage/total_tokens\"";
            reader.wrong(path, message);
            None
        }
    };
    Some(Unit {
        name,
        rate: rate?,
        said: said?,
        most: most?,
    })
}

fn missing<T>(path: &str, key: &str, what: &str, reader: &mut Reader<'_>) -> Option<T> {
    reader.wrong(path, format!("needs `{key}`: {what}"));
    None
}

fn bounded(raw: &Raw, what: &str) -> Result<NanoUsd, String> {
    let price = raw.money()?;
    if price <= PRICE_MAX {
        Ok(price)
    } else {
        Err(format!(
            "{price} is no price of {what}: at most {PRICE_MAX}"
        ))
    }
}

fn rate(text: &str) -> Result<PicoUsd, String> {
    PicoUsd::parse(text).ok_or_else(|| {
        format!(
            "`{}` is not a rate such as \"0.0000025 USD\": US dollars, at most twelve digits behind the point",
            text.escape_debug()
        )
    })
}

fn check_pointer(text: String) -> Result<String, String> {
    if text.starts_with('/') && text.len() <= 256 {
        Ok(text)
    } else {
        Err(format!(
            "`{}` is not a JSON pointer such as \"/usage/total_tokens\", of 256 bytes at most",
            text.escape_debug()
        ))
    }
}

fn check_version(written: Option<String>, key: &str, reader: &mut Reader<'_>) -> String {
    let version = written.unwrap_or_default();
    let plain = version.bytes().all(|byte| byte.is_ascii_graphic());
    if version.len() > VERSION_BYTES_MAX || !plain {
        let message = format!(
            "is the name of a price list: at most {VERSION_BYTES_MAX} visible characters, no space"
        );
        reader.wrong(key, message);
    }
    version
}

/// The rows of `holdfast policy`.
pub(super) fn rows(prices: &HostPrices) -> [(&'static str, String); 3] {
    let shown =
        |price: Option<NanoUsd>| price.map_or_else(|| "none".to_owned(), |price| price.to_string());
    let version = match prices.version.as_str() {
        "" => "none",
        version => version,
    };
    [
        ("price.cpu_second", shown(prices.cpu_second)),
        ("price.gib_out", shown(prices.gib_out)),
        ("price.version", version.to_owned()),
    ]
}

/// The prices of an upstream, for people.
pub(super) fn shown(list: &PriceList) -> String {
    let mut text = format!("{} a request", list.request);
    for unit in &list.units {
        let (rate, name, most) = (unit.rate, &unit.name, unit.most);
        text.push_str(&format!(" and {rate} a {name} of at most {most}"));
    }
    text
}
