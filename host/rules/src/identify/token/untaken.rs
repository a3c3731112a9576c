//! Why a token is not taken, for the operator. What is said to whoever brought it is less: see `issuer`.

use super::{TOKEN_BYTES_MAX, TRIES_MAX};
use std::fmt;
use std::time::Duration;

/// Why a token is not taken. None of it holds a part of the token but names of claims that the settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// It is too long to be looked at.
    Long,
    /// It has not the three parts of a signed token.
    NoToken,
    /// This part of it cannot be read, or could be read in two ways.
    Unreadable(&'static str),
    /// It must not be taken by whoever does not know an extension that it names.
    Critical,
    /// It was made for something else than to be brought by a caller.
    Kind,
    /// Its algorithm is none of those that exist here: `none`, or one where both sides have the key.
    Algorithm,
    /// Its algorithm is not one that the policy allows.
    NotAllowed(&'static str),
    /// Nobody of the policy issues it.
    Issuer,
    /// Its issuer has no key of that name for that algorithm.
    NoKey,
    /// No key of its issuer has signed it.
    NotSigned,
    /// It has not this claim.
    Missing(String),
    /// This claim is not what it must be.
    Malformed(String),
    /// It is for somebody else.
    Audience,
    /// It is over for so long.
    Expired(Duration),
    /// It begins only in so long.
    Early(Duration),
}

impl fmt::Display for Untaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "a token of more than {TOKEN_BYTES_MAX} bytes"),
            Self::NoToken => f.write_str("what is neither a key nor a signed token"),
            Self::Unreadable(part) => {
                write!(f, "a token whose {part} cannot be read in just one way")
            }
            Self::Critical => f.write_str("a token with an extension (`crit`)"),
            Self::Kind => f.write_str("a token of a kind (`typ`) that no caller brings"),
            Self::Algorithm => {
                f.write_str("a token that is not signed, or with no algorithm that is known here")
            }
            Self::NotAllowed(algorithm) => write!(f, "a token signed with {algorithm}"),
            Self::Issuer => f.write_str("a token of an issuer (`iss`) that the policy has not"),
            Self::NoKey => f.write_str("a token signed with a key that its issuer has not"),
            Self::NotSigned => write!(
                f,
                "a token that its issuer has not signed, or has more than {TRIES_MAX} keys for and names none"
            ),
            Self::Missing(claim) => write!(f, "a token without `{claim}`"),
            Self::Malformed(claim) => {
                write!(f, "a token whose `{claim}` is not what that must be")
            }
            Self::Audience => f.write_str("a token for somebody else (`aud`)"),
            Self::Expired(by) => write!(f, "a token that is over since {} s", by.as_secs()),
            Self::Early(by) => write!(f, "a token that begins only in {} s", by.as_secs()),
        }
    }
}
