//! What a signed token claims, held against what the policy wants of its issuer and against the time.

use super::Untaken;
use holdfast_call::WallTime;
use serde_json::{Map, Value};
use std::time::Duration;

/// How far the clocks of the issuer and of this host may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// The longest name of a subject, in bytes.
const SUBJECT_BYTES_MAX: usize = 200;

/// The most values of the claim of rights that are looked at.
const RIGHTS_MAX: usize = 256;

/// The claims of a token that its issuer has signed; they may be those of a token for somebody else, or of one that is over.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

/// What the policy wants of the tokens of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whom they are for: one of these.
    pub audience: Vec<String>,
    /// The claim that names who brings one.
    pub subject: String,
    /// The claim that says what he has a right to.
    pub rights: String,
}

/// Whoever brings a token, as far as it says.
#[derive(Debug, PartialEq, Eq)]
pub struct Bearer {
    /// His name among all that the issuer knows: visible ASCII, without quotes.
    pub subject: String,
    /// What he has a right to, in the issuer's words.
    pub rights: Vec<String>,
}

impl Claims {
    pub(super) fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// Who brings the token, if it is for us and holds now.
    ///
    /// # Errors
    /// It is not, or does not.
    pub fn check(&self, wanted: &Wanted, wall: WallTime) -> Result<Bearer, Untaken> {
        self.check_audience(&wanted.audience)?;
        self.check_time(wall)?;
        Ok(Bearer {
            subject: self.subject(&wanted.subject)?,
            rights: self.rights(&wanted.rights)?,
        })
    }

    fn needed(&self, name: &str) -> Result<&Value, Untaken> {
        let claim = self.0.get(name);
        claim.ok_or_else(|| Untaken::Missing(name.to_owned()))
    }

    fn check_audience(&self, ours: &[String]) -> Result<(), Untaken> {
        let malformed = || Untaken::Malformed("aud".to_owned());
        let is_ours = |one: &str| ours.iter().any(|own| own == one);
        let found = match self.needed("aud")? {
            Value::String(one) => is_ours(one),
            Value::Array(all) => {
                let all: Option<Vec<_>> = all.iter().map(Value::as_str).collect();
                all.ok_or_else(malformed)?.into_iter().any(is_ours)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                return Err(malformed());
            }
        };
        found.then_some(()).ok_or(Untaken::Audience)
    }

    fn check_time(&self, wall: WallTime) -> Result<(), Untaken> {
        let now = Duration::from_millis(wall.millis());
        let end = self.time("exp")?;
        let end = end.ok_or_else(|| Untaken::Missing("exp".to_owned()))?;
        // A token is over at the very second that it names.
        if now >= end.saturating_add(LEEWAY) {
            return Err(Untaken::Expired(now.saturating_sub(end)));
        }
        match self.time("nbf")? {
            Some(begin) if begin > now.saturating_add(LEEWAY) => {
                Err(Untaken::Early(begin.saturating_sub(now)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A time since 1970, in seconds that may have a fraction.
    fn time(&self, name: &str) -> Result<Option<Duration>, Untaken> {
        let Some(claim) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds = claim.as_f64();
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let malformed = || Untaken::Malformed(name.to_owned());
        time.map(Some).ok_or_else(malformed)
    }

    /// The name goes into the chain of callers, which is a text with blanks in it, and into a header: so it has neither.
    fn subject(&self, name: &str) -> Result<String, Untaken> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        match self.needed(name)? {
            Value::String(subject)
                if (1..=SUBJECT_BYTES_MAX).contains(&subject.len())
                    && subject.bytes().all(plain)
                    // In the policy it stands for everybody.
                    && subject != "*" =>
            {
                Ok(subject.clone())
            }
            _ => Err(Untaken::Malformed(name.to_owned())),
        }
    }

    /// A text of words, or a list of texts, as issuers write it; none where it is not there.
    fn rights(&self, name: &str) -> Result<Vec<String>, Untaken> {
        let malformed = || Untaken::Malformed(name.to_owned());
        let rights: Vec<String> = match self.0.get(name) {
            None => Vec::new(),
            Some(Value::String(words)) => {
                let words = words.split(' ').filter(|word| !word.is_empty());
                words.map(str::to_owned).collect()
            }
            Some(Value::Array(all)) => {
                let all = all.iter().map(|one| one.as_str().map(str::to_owned));
                all.collect::<Option<_>>().ok_or_else(malformed)?
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                return Err(malformed());
            }
        };
        match rights.len() > RIGHTS_MAX {
            true => Err(malformed()),
            false => Ok(rights),
        }
    }
}
