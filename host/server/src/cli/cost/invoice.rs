//! An invoice: what a provider has billed, and how the ledger differs from it.

use super::{ReconcileArgs, ask, when};
use crate::cli::print;
use crate::control::words::CostLine;
use anyhow::{Context as _, bail};
use holdfast_call::NanoUsd;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

const DAY: i64 = 86_400_000;
/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What was billed, by day and upstream.
type Billed = BTreeMap<(String, String), NanoUsd>;

/// A day of an upstream, as both have it.
#[derive(Default)]
struct Both {
    billed: NanoUsd,
    entered: NanoUsd,
    unconfirmed: NanoUsd,
}

/// Compares.
pub(super) fn reconcile(args: &ReconcileArgs) -> anyhow::Result<ExitCode> {
    let file = args.file.display();
    let bytes = std::fs::metadata(&args.file).with_context(|| format!("cannot read {file}"))?;
    if bytes.len() > FILE_BYTES_MAX {
        bail!("{file} is larger than {FILE_BYTES_MAX} bytes: reconcile a part of it");
    }
    let text = std::fs::read_to_string(&args.file);
    let text = text.with_context(|| format!("cannot read {file}"))?;
    let billed = read(&text).map_err(|why| anyhow::anyhow!("{file}: {why}"))?;
    let days = billed.keys().filter_map(|(day, _)| when::date(day));
    let days: BTreeSet<_> = days.collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        bail!("{file} bills nothing");
    };
    let by = ["day", "upstream"].map(str::to_owned).to_vec();
    let entered = ask(&args.data, *first, *last + DAY, by)?;
    let (text, differs) = told(&both(billed, &entered));
    print(&text)?;
    Ok(if differs {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn both(billed: Billed, entered: &[CostLine]) -> BTreeMap<(String, String), Both> {
    // Others have invoices of their own.
    let upstreams: BTreeSet<_> = billed
        .keys()
        .map(|(_, upstream)| upstream.clone())
        .collect();
    let mut both = BTreeMap::<_, Both>::new();
    for (key, amount) in billed {
        both.entry(key).or_default().billed = amount;
    }
    for line in entered {
        let name = |key: &str| line.by.get(key).cloned().unwrap_or_default();
        let key = (name("day"), name("upstream"));
        if upstreams.contains(&key.1) {
            let both = both.entry(key).or_default();
            both.entered = NanoUsd(line.amount_nanousd);
            both.unconfirmed = NanoUsd(line.unconfirmed_nanousd);
        }
    }
    both
}

fn told(both: &BTreeMap<(String, String), Both>) -> (String, bool) {
    let mut text = vec![format!(
        "{:<10}  {:<20}  {:>20}  {:>20}  {:>21}  {:>20}",
        "DAY", "UPSTREAM", "LEDGER", "INVOICE", "DIFFERENCE", "UNCONFIRMED"
    )];
    for ((day, upstream), one) in both {
        if one.billed == one.entered {
            continue;
        }
        let difference = match one.entered.0.checked_sub(one.billed.0) {
            Some(more) => format!("+{}", NanoUsd(more)),
            None => format!("-{}", NanoUsd(one.billed.0 - one.entered.0)),
        };
        text.push(format!(
            "{day:<10}  {upstream:<20}  {:>20}  {:>20}  {difference:>21}  {:>20}",
            one.entered.to_string(),
            one.billed.to_string(),
            one.unconfirmed.to_string()
        ));
    }
    if text.len() == 1 {
        let all = both.len();
        return (
            format!(
                "ledger and invoice are the same, to the billionth of a dollar, for {all} days of upstreams"
            ),
            false,
        );
    }
    text.push(
        "a difference is what the ledger has more (+) or less (-) than the invoice".to_owned(),
    );
    (text.join("\n"), true)
}

/// Reads the file: a line of names, then one for each item.
fn read(text: &str) -> Result<Billed, String> {
    let mut lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    let (head, _) = lines.next().ok_or("it has no line")?;
    let names: Vec<_> = fields(head).ok_or("its first line is not closed")?;
    let place = |wanted: &str| {
        names
            .iter()
            .position(|name| name.trim().eq_ignore_ascii_case(wanted))
    };
    let day = place("day").or_else(|| place("time"));
    let (Some(day), Some(upstream), Some(amount)) = (day, place("upstream"), place("amount"))
    else {
        return Err("its first line names no `day` or `time`, `upstream` and `amount`".to_owned());
    };
    let mut billed = Billed::new();
    for (line, number) in lines {
        let wrong = |what: &str| format!("line {number}: {what}");
        let fields = fields(line).ok_or_else(|| wrong("a quote is not closed"))?;
        let field = |place: usize| fields.get(place).map(|field| field.trim());
        let (Some(moment), Some(upstream), Some(amount)) =
            (field(day), field(upstream), field(amount))
        else {
            return Err(wrong("it has fewer fields than the first one"));
        };
        let day = day_of(moment).ok_or_else(|| {
            wrong("its day is not one such as 2026-11-01, or a time in UTC that ends in Z")
        })?;
        let usd = format!("{} USD", amount.trim_end_matches("USD").trim_end());
        let amount = NanoUsd::parse(&usd)
            .ok_or_else(|| wrong("its amount is not one in US dollars such as 0.0004"))?;
        let sum = billed.entry((day, upstream.to_owned())).or_default();
        *sum = sum.plus(amount);
    }
    Ok(billed)
}

/// The day of a day or a moment, if it is told in UTC.
fn day_of(moment: &str) -> Option<String> {
    let (day, time) = moment.split_at_checked(10)?;
    let utc = time.is_empty() || time.starts_with(['T', ' ']) && time.ends_with(['Z', 'z']);
    when::date(day).filter(|_| utc)?;
    Some(day.to_owned())
}

/// The fields of a line, with commas between them; a quote in a quoted one is written twice.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    (!quoted).then_some(fields)
}
