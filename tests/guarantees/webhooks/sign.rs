//! How the providers sign, on their side.

use crate::harness::{Ask, Host};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_call::Clock as _;
use holdfast_rules::clock::HostClock;
use sha2::Sha256;

/// What GitHub signs with.
pub(super) const GITHUB: &str = "canary-github-2026";
/// What it signed with before.
pub(super) const GITHUB_OLD: &str = "canary-github-2025";
/// The key of a sender by Standard Webhooks.
pub(super) const STANDARD: &[u8; 24] = b"canary-standard-webhooks";
/// Stripe's, which begins like the last one's text and is none.
pub(super) const STRIPE: &str = "whsec_canary-stripe-0123";
/// Slack's.
pub(super) const SLACK: &str = "canary-slack-0123456789";
/// The token that Telegram sends.
pub(super) const TELEGRAM: &str = "canary-telegram_token";

/// Now, in seconds since 1970.
pub(crate) fn now() -> u64 {
    HostClock::start().wall().millis() / 1_000
}

/// The code of a message.
pub(crate) fn code(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn hex(key: &str, message: &[u8]) -> String {
    HEXLOWER.encode(&code(key.as_bytes(), message))
}

/// A request to `/two/echo` as GitHub signs it.
pub(super) fn github(host: &Host, key: &str, body: &[u8]) -> Ask {
    github_at(host, "/two/echo", key, body)
}

/// The same to another path.
pub(super) fn github_at(host: &Host, path: &str, key: &str, body: &[u8]) -> Ask {
    // Another body is another delivery.
    let delivery = hex("delivery", body);
    host.ask("POST", path)
        .header("x-github-delivery", &delivery)
        .header("x-github-event", "push")
        .header("x-hub-signature-256", &format!("sha256={}", hex(key, body)))
}

/// A request to `/two/request` as Standard Webhooks says, signed at `time`.
pub(super) fn standard(host: &Host, time: u64, body: &[u8]) -> Ask {
    let message = [format!("msg_1.{time}.").as_bytes(), body].concat();
    let signature = BASE64.encode(&code(STANDARD, &message));
    host.ask("POST", "/two/request")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", &time.to_string())
        .header("webhook-signature", &format!("v1,{signature}"))
}

/// A request to `/two/ok` as Stripe signs it.
pub(super) fn stripe(host: &Host, time: u64, body: &[u8]) -> Ask {
    let message = [format!("{time}.").as_bytes(), body].concat();
    let header = format!("t={time},v1={}", hex(STRIPE, &message));
    host.ask("POST", "/two/ok")
        .header("stripe-signature", &header)
}

/// A request to `/two/env` as Slack signs it.
pub(super) fn slack(host: &Host, time: u64, body: &[u8]) -> Ask {
    let message = [format!("v0:{time}:").as_bytes(), body].concat();
    host.ask("POST", "/two/env")
        .header("x-slack-request-timestamp", &time.to_string())
        .header("x-slack-signature", &format!("v0={}", hex(SLACK, &message)))
}

/// A request to `/two/args` as Telegram sends it.
pub(super) fn telegram(host: &Host) -> Ask {
    host.ask("POST", "/two/args")
        .header("x-telegram-bot-api-secret-token", TELEGRAM)
}
