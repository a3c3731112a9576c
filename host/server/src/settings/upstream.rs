//! Upstreams: the systems outside that services may reach, each one origin, with its patience, its places and its credential.

use crate::settings::again::{Again, Repeat};
use crate::settings::credential::Credential;
use crate::settings::name::Name;
use crate::settings::reader::Reader;
use crate::settings::units::Raw;
use crate::settings::written::{WrittenCredential, WrittenUpstream};
use crate::settings::{budget, price};
use holdfast_rules::budget::Limit;
use holdfast_rules::budget::price::PriceList;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What kind of system it is: the defaults and the floors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An ordinary web service.
    Http,
    /// A language model, which thinks before it answers.
    Llm,
}

/// The figures of a class.
struct Figures {
    first_byte: Duration,
    first_byte_floor: Duration,
    between_bytes: Duration,
    places: u64,
    repeat: Repeat,
}

impl Class {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Llm => "llm",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "http" => Ok(Self::Http),
            "llm" => Ok(Self::Llm),
            _ => Err(format!("`{text}` is not a class: \"http\" or \"llm\"")),
        }
    }

    const fn figures(self) -> Figures {
        match self {
            Self::Http => Figures {
                first_byte: Duration::from_secs(10),
                first_byte_floor: Duration::from_secs(5),
                between_bytes: Duration::from_secs(15),
                places: 64,
                repeat: Repeat::Idempotent,
            },
            Self::Llm => Figures {
                first_byte: Duration::from_secs(60),
                first_byte_floor: Duration::from_secs(20),
                between_bytes: Duration::from_secs(30),
                places: 16,
                // What a model is asked changes nothing but the bill.
                repeat: Repeat::All,
            },
        }
    }
}

/// A connection that takes longer than this is not going to come.
const CONNECT: Duration = Duration::from_secs(3);
/// The longest body taken from an upstream, where nobody says otherwise.
const RESPONSE_BYTES: u64 = 64 << 20;

/// One upstream, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in both files.
    pub name: Name,
    /// Scheme, host and port, in lower case and complete: `https://api.example.com:443`.
    pub origin: Arc<str>,
    /// The scheme: `http` or `https`.
    pub scheme: http::uri::Scheme,
    /// The host, in lower case; a literal IPv6 address without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
    /// What kind of system it is.
    pub class: Class,
    /// The longest until a connection stands.
    pub connect: Duration,
    /// The longest from the request to the first byte of the answer.
    pub first_byte: Duration,
    /// The longest pause within the answer.
    pub between_bytes: Duration,
    /// The longest body of an answer.
    pub response_bytes: u64,
    /// Calls to it at once.
    pub places: u32,
    /// The only methods that it is sent; all, if there are none.
    pub methods: Vec<http::Method>,
    /// The only paths that it is sent, each with what lies under it; all, if there are none.
    pub paths: Vec<String>,
    /// Tries of it a second, of all services together.
    pub per_second: Option<u32>,
    /// How a request to it is sent again.
    pub again: Again,
    /// Private addresses that may be dialled for it.
    pub allow_private: Vec<IpNet>,
    /// A file of certificates that are trusted for it, instead of the public ones.
    pub ca: Option<PathBuf>,
    /// What each try that came to it costs.
    pub price: Option<PriceList>,
    /// How much may be spent on it.
    pub budget: Option<Limit>,
    /// What the host puts into each request.
    pub credential: Option<Credential>,
}

/// Reads `[upstreams]`. Two upstreams of one origin are refused: which one's credential and limits would hold?
pub(crate) fn check_all(
    written: BTreeMap<String, WrittenUpstream>,
    folder: &Path,
    reader: &mut Reader<'_>,
) -> BTreeMap<Name, Upstream> {
    let mut upstreams: BTreeMap<Name, Upstream> = BTreeMap::new();
    for (name, written) in written {
        let (path, name) = reader.named("upstreams", &name);
        let Some(upstream) = name.and_then(|name| check(name, written, &path, folder, reader))
        else {
            continue;
        };
        if let Some(twin) = upstreams
            .values()
            .find(|other| other.origin == upstream.origin)
        {
            let message = format!(
                "is the same origin as upstream `{}` ({}): {}; one origin is one upstream",
                twin.name,
                reader.source.place(&format!("upstreams.{}.url", twin.name)),
                upstream.origin
            );
            reader.wrong(&format!("{path}.url"), message);
            continue;
        }
        upstreams.insert(upstream.name.clone(), upstream);
    }
    upstreams
}

fn check(
    name: Name,
    written: WrittenUpstream,
    path: &str,
    folder: &Path,
    reader: &mut Reader<'_>,
) -> Option<Upstream> {
    let key = |name: &str| format!("{path}.{name}");
    let class = reader.or(
        &key("class"),
        written.class.as_deref(),
        Class::Http,
        Class::parse,
    );
    let figures = class.figures();
    let patience = patience(&written, class, path, reader);
    let again = Again::check(&written, figures.repeat, path, reader);
    let response_bytes = reader.or(
        &key("response_bytes"),
        written.response_bytes,
        RESPONSE_BYTES,
        |raw| raw.bytes(),
    );
    let places = reader.or(&key("places"), written.places, figures.places, |raw| {
        within(raw.count()?, 1, 1_000_000)
    });
    let methods = reader.list(&key("methods"), &written.methods, parse_method);
    let paths = reader.list(&key("paths"), &written.paths, parse_path);
    let per_second = per_second(written.per_second, &key("per_second"), reader);
    let allow_private = reader.list(&key("allow_private"), &written.allow_private, parse_net);
    let price = price::check(written.price, &key("price"), reader);
    let budget = budget::limit(written.budget.as_deref(), &key("budget"), reader);
    let Some(url) = written.url else {
        reader.wrong(path, "needs `url`, such as \"https://api.example.com\"");
        return None;
    };
    let origin = reader.take(&key("url"), parse_origin(&url));
    let before = origin.as_ref().and_then(|origin| origin.before.as_deref());
    let credential = check_credential(written.credential, before, path, folder, reader);
    let at = origin?;
    if credential.is_some() && allow_private.is_empty() {
        check_way(&at.scheme, &key("credential"), reader);
    }
    Some(Upstream {
        name,
        origin: at.origin,
        scheme: at.scheme,
        host: at.host,
        port: at.port,
        class,
        connect: patience.connect,
        first_byte: patience.first_byte,
        between_bytes: patience.between_bytes,
        response_bytes,
        places: u32::try_from(places).unwrap_or(u32::MAX),
        methods,
        paths,
        per_second,
        again,
        allow_private,
        ca: written.ca.map(|file| folder.join(file)),
        price,
        budget,
        credential,
    })
}

/// `before` is what the URL has behind the origin.
fn check_credential(
    written: Option<WrittenCredential>,
    before: Option<&str>,
    path: &str,
    folder: &Path,
    reader: &mut Reader<'_>,
) -> Option<Credential> {
    let key = format!("{path}.credential");
    if written.is_none() && before.is_some() {
        let message = "has `{secret}` in its path, and no [credential] says where the secret is";
        reader.wrong(&format!("{path}.url"), message);
    }
    Credential::check(written?, before, &key, folder, reader)
}

/// Over plain HTTP a credential can be read by whoever stands between, unless the operator says that the way is private.
fn check_way(scheme: &http::uri::Scheme, key: &str, reader: &mut Reader<'_>) {
    if *scheme == http::uri::Scheme::HTTP {
        let message =
            "would travel unencrypted: use https, or list the private network in `allow_private`";
        reader.wrong(key, message);
    }
}

fn per_second(raw: Option<Raw>, key: &str, reader: &mut Reader<'_>) -> Option<u32> {
    let count = raw?.count().and_then(|count| within(count, 1, 1_000_000));
    u32::try_from(reader.take(key, count)?).ok()
}

/// How long an upstream is waited for.
struct Patience {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

fn patience(
    written: &WrittenUpstream,
    class: Class,
    path: &str,
    reader: &mut Reader<'_>,
) -> Patience {
    let key = |name: &str| format!("{path}.{name}");
    let figures = class.figures();
    let times = |raw: Raw| raw.duration().and_then(positive);
    let connect = reader.or(&key("connect"), written.connect.clone(), CONNECT, times);
    let between_bytes = reader.or(
        &key("between_bytes"),
        written.between_bytes.clone(),
        figures.between_bytes,
        times,
    );
    let first_byte = reader.or(
        &key("first_byte"),
        written.first_byte.clone(),
        figures.first_byte,
        times,
    );
    if !written.override_floor {
        check_floor(first_byte, class, path, reader);
    }
    Patience {
        connect,
        first_byte,
        between_bytes,
    }
}

/// A patience below the floor of the class gives calls up (and pays for them) while they still work.
fn check_floor(first_byte: Duration, class: Class, path: &str, reader: &mut Reader<'_>) {
    let floor = class.figures().first_byte_floor;
    if first_byte < floor {
        let message = format!(
            "{first_byte:?} is below the floor of class `{}`, {floor:?}: such calls are given up (and paid) while they still \
             work; `override_floor = true` in [{path}] allows it",
            class.as_str(),
        );
        reader.wrong(&format!("{path}.first_byte"), message);
    }
}

struct Origin {
    scheme: http::uri::Scheme,
    host: Arc<str>,
    port: u16,
    origin: Arc<str>,
    /// What goes before each path, with the place of the secret in it.
    before: Option<String>,
}

fn parse_origin(url: &str) -> Result<Origin, String> {
    let wrong = |why: &str| format!("`{}`: {why}", url.escape_debug());
    let uri: http::Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
    let (scheme, usual) = match uri.scheme_str() {
        Some("https") => (http::uri::Scheme::HTTPS, 443),
        Some("http") => (http::uri::Scheme::HTTP, 80),
        Some(_) | None => return Err(wrong("must begin with https:// or http://")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong(
            "must not hold a user or password: use `user` in [upstreams.NAME.credential]",
        ));
    }
    let before = match uri.path() {
        "" | "/" => None,
        path if path.contains("{secret}") && !path.ends_with('/') => Some(path.to_owned()),
        _ => {
            return Err(wrong(
                "must be an origin, without path or query (but for the place of a secret, /bot{secret}): which paths are asked for is the guest's business",
            ));
        }
    };
    if uri.query().is_some() {
        return Err(wrong(
            "must be without path or query: a secret goes there by `query` in [upstreams.NAME.credential]",
        ));
    }
    // `port()` is also empty for `host:` and for a port that does not fit.
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => usual,
        _ => authority
            .port_u16()
            .filter(|port| *port != 0)
            .ok_or_else(|| wrong("has no usable port"))?,
    };
    let host = authority.host().to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() || host.ends_with('.') {
        return Err(wrong("has no usable host"));
    }
    if host == "internal" || host.ends_with(".internal") {
        return Err(wrong(
            "names under `internal` belong to calls between services",
        ));
    }
    Ok(Origin {
        origin: format!("{scheme}://{host}:{port}").into(),
        host: bare.into(),
        scheme,
        port,
        before,
    })
}

fn parse_method(text: &str) -> Result<http::Method, String> {
    let wrong = || format!("`{}` is not a method, such as \"GET\"", text.escape_debug());
    let upper = text.bytes().all(|byte| byte.is_ascii_uppercase());
    text.parse().ok().filter(|_| upper).ok_or_else(wrong)
}

fn parse_path(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("`{}`: {why}", text.escape_debug()));
    if !text.starts_with('/') || text.contains(['?', '#', '*']) {
        return wrong(
            "a path begins with `/`, has no query and no `*`: it allows what lies under it",
        );
    }
    if text.split('/').any(|segment| matches!(segment, "." | "..")) || text.contains("//") {
        return wrong("write the path as the upstream resolves it");
    }
    Ok(text.to_owned())
}

/// A network, or one address as a network of its own.
pub(crate) fn parse_net(text: &str) -> Result<IpNet, String> {
    let net = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    let net = net.map_err(|_| {
        format!(
            "`{}` is not a network such as \"10.1.2.0/24\"",
            text.escape_debug()
        )
    })?;
    if net.addr() != net.network() {
        return Err(format!(
            "`{text}` has bits set beyond its length: is it \"{}\"?",
            net.trunc()
        ));
    }
    Ok(net)
}

fn positive(span: Duration) -> Result<Duration, String> {
    if span.is_zero() || span > Duration::from_secs(86_400) {
        return Err(format!(
            "{span:?} is no patience: more than nothing, at most 24h"
        ));
    }
    Ok(span)
}

/// A number within its bounds.
pub(crate) fn within(number: u64, least: u64, most: u64) -> Result<u64, String> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} is not between {least} and {most}"))
    }
}
