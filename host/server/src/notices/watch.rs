//! What nobody comes across by himself: a disk that fills up, a certificate that ends. Each is looked at now and then, as long as the host
//! lives.

use crate::file;
use crate::logs::instant;
use crate::settings::units::size_text;
use holdfast_call::notice::Event;
use holdfast_call::{Notice, WallTime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use std::time::Duration;

/// How often the room on the disk is looked at.
pub(crate) const DISK_EVERY: Duration = Duration::from_secs(60);
/// How often the certificate is looked at, and told of again.
pub(crate) const CERTIFICATE_EVERY: Duration = Duration::from_secs(86_400);
/// How long before its end a certificate is told of, in days: whoever renews by hand has a holiday in between.
const ENDS_SOON_DAYS: u64 = 14;
/// The largest file of certificates, in bytes.
const CERTIFICATE_BYTES_MAX: u64 = 1 << 20;
const DAY: u64 = 86_400;

/// What there is to tell of the disk under the data directory, which is low with less than `least` bytes of room.
pub(crate) fn disk(data: &Path, least: u64) -> Option<Notice> {
    // One that cannot be asked is one that the store will complain of.
    let stat = rustix::fs::statvfs(data).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    (free < least).then(|| Notice {
        event: Event::DiskLow,
        about: "disk".to_owned(),
        text: format!(
            "{} are free on the disk of {}, less than notify.disk_free = {}: make room, before what must last cannot be written",
            size_text(free >> 20 << 20),
            data.display(),
            size_text(least)
        ),
    })
}

/// What there is to tell of the certificate of the gateway.
pub(crate) fn certificate(path: &Path, now: WallTime) -> Option<Notice> {
    // One that cannot be read is told of where it is used.
    let pem = file::read(path, CERTIFICATE_BYTES_MAX).ok()?;
    let first = CertificateDer::pem_slice_iter(&pem).next()?.ok()?;
    let (end, now) = (ends(&first)?, now.0 / 1_000_000);
    let left = end.saturating_sub(now);
    let at = instant(WallTime(end.saturating_mul(1_000_000)));
    let how = match left {
        0 => format!("has ended at {at}, and no client takes it any more"),
        left if left <= ENDS_SOON_DAYS * DAY => format!("ends in {} days, at {at}", left / DAY),
        _ => return None,
    };
    Some(Notice {
        event: Event::CertificateEnding,
        about: "listen.tls.cert".to_owned(),
        text: format!(
            "the certificate {} {how}: put a new pair in the place of its files, which is taken without a restart",
            path.display()
        ),
    })
}

/// The second since 1970 in which a certificate ends (RFC 5280): its outermost sequence begins with one that says, after what may be a
/// version, its number, how it is signed and by whom, from when to when it is good.
#[must_use]
pub fn ends(certificate: &[u8]) -> Option<u64> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let inside = |bytes| element(bytes).filter(|(tag, ..)| *tag == SEQUENCE);
    let (_, outer, _) = inside(certificate)?;
    let (_, mut rest, _) = inside(outer)?;
    if let Some((VERSION, _, after)) = element(rest) {
        rest = after;
    }
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (_, validity, _) = inside(rest)?;
    let (_, _, after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    second(tag, text)
}

/// The first element of some DER: its tag, what is in it, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let add = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
            (length.iter().fold(0, add), rest)
        }
        _ => return None,
    };
    let (inside, after) = rest.split_at_checked(length)?;
    Some((*tag, inside, after))
}

/// The second of a time: with two digits of the year up to 2049, with four from then on; always of Greenwich.
fn second(tag: u8, text: &[u8]) -> Option<u64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, rest) = match tag {
        UTC_TIME => text.split_at_checked(2)?,
        GENERALIZED_TIME => text.split_at_checked(4)?,
        _ => return None,
    };
    if !digits || rest.len() != 10 {
        return None;
    }
    let year: u64 = year.parse().ok()?;
    let year = match tag {
        UTC_TIME if year < 50 => 2000 + year,
        UTC_TIME => 1900 + year,
        _ => year,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let days = days(year, two(0)?, two(2)?)?;
    Some(days * DAY + two(4)? * 3_600 + two(6)? * 60 + two(8)?)
}

/// The days from 1970 to a day. The year is taken to begin with March, so that the leap day is its last one.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    const DAYS_BEFORE_1970: u64 = 719_468;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year.checked_sub(u64::from(month <= 2))?;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    days.checked_sub(DAYS_BEFORE_1970)
}
