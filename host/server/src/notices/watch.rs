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

/// The second since 1970 in which a certificate ends.
fn ends(certificate: &[u8]) -> Option<u64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}
