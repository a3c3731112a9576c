//! Approvals as people see them: what waits, and what they say of it.

use super::{DENIED, GRANTED, LASTS_MS, USED, WANTED};
use crate::db::{Database, DbError, Row, Tx, Value};

/// How long what is over can still be looked at, in milliseconds: a week.
const SHOWN_MS: i64 = 7 * 24 * 3600 * 1000;
/// How many are listed, and how many one sweep removes.
const LISTED_MAX: i64 = 1_000;

const ROW: &str = "SELECT id, state, service, operation, caller, why, asked, content_type, payload, payload_bytes, \
                   asked_ms, expires_ms, decided_by, decided_why, used_by FROM approvals";

/// An approval, whole. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its name: that of the call that was the first to ask for it.
    pub id: String,
    /// What it is.
    pub standing: Standing,
    /// The service that would do it.
    pub service: String,
    /// Its operation.
    pub operation: String,
    /// Who asks.
    pub caller: String,
    /// Why, as he says.
    pub why: String,
    /// What is asked, in one line.
    pub asked: String,
    /// What the payload is.
    pub content_type: Option<String>,
    /// The payload, unless it was too long to be looked at.
    pub payload: Option<Vec<u8>>,
    /// How long it is, in bytes.
    pub payload_bytes: u64,
    /// Since when it is wanted.
    pub asked_ms: u64,
    /// Until when it is wanted, or may be used.
    pub expires_ms: u64,
    /// What was said of it, if anything was.
    pub verdict: Option<Verdict>,
    /// The call that has used it.
    pub used_by: Option<String>,
}

/// Who said what of it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What an approval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked at it.
    Wanted,
    /// It may be done, once.
    Granted,
    /// It may not.
    Denied,
    /// It was done.
    Used,
    /// Its time was over before.
    Expired,
}

impl Standing {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Used => "used",
            Self::Expired => "expired",
        }
    }
}

/// What is to be said of one.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Of which.
    pub id: String,
    /// What.
    pub says: Says,
    /// Who says so.
    pub by: String,
    /// Why.
    pub why: String,
    /// Whether he may approve what he has asked for himself.
    pub own: Own,
}

/// What somebody says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It may be done, once.
    Grant,
    /// It may not.
    Deny,
}

/// Which are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that wait, or may be used.
    Open,
    /// All that can still be looked at.
    All,
}

/// Whether one may approve what one has asked for oneself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// One may not.
    Refused,
    /// One may: there is nobody else.
    Approved,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is said.
    Yes,
    /// It is said, by the one who asks.
    Own,
    /// It is not: he asks for it himself.
    NotHis,
    /// It is not: it is this already.
    Already(Standing),
    /// There is none of this name.
    None,
}

/// Says that an action may be done, or that it may not. What was granted and is not used may still be denied.
///
/// # Errors
/// The database fails; nothing was said, unless the error says that nobody knows.
pub async fn decide(database: &Database, decision: Decision) -> Result<Decided, DbError> {
    database
        .run(decision, |decision, tx| Box::pin(decided(decision, tx)))
        .await
}

/// An approval.
///
/// # Errors
/// The database fails.
pub async fn find(database: &Database, id: &str) -> Result<Option<Approval>, DbError> {
    database
        .read(id.to_owned(), |id, tx| Box::pin(found(id, tx)))
        .await
}

/// Approvals, the oldest first.
///
/// # Errors
/// The database fails.
pub async fn list(database: &Database, which: Which) -> Result<Vec<Approval>, DbError> {
    database
        .read(which, |which, tx| {
            Box::pin(async move {
                let now = tx.now().await?;
                let (states, after) = match which {
                    Which::Open => ("state IN (0, 1) AND", now),
                    Which::All => ("", now.saturating_sub(SHOWN_MS)),
                };
                let sql = format!(
                    "{ROW} WHERE {states} expires_ms > $1 ORDER BY asked_ms, id LIMIT {LISTED_MAX}"
                );
                let rows = tx.query(&sql, &[after.into()]).await?;
                rows.iter().map(|row| approval(row, now)).collect()
            })
        })
        .await
}

/// Removes some of those that nobody looks at any more; how many.
///
/// # Errors
/// The database fails.
pub async fn sweep(database: &Database) -> Result<u64, DbError> {
    database
        .run((), |(), tx| {
            Box::pin(async move {
                const SQL: &str = "DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE expires_ms <= $1 \
                                   LIMIT $2)";
                let before = tx.now().await?.saturating_sub(SHOWN_MS);
                tx.execute(SQL, &[before.into(), LISTED_MAX.into()]).await
            })
        })
        .await
}

async fn decided(decision: &Decision, tx: &mut dyn Tx) -> Result<Decided, DbError> {
    const SQL: &str = "UPDATE approvals SET state = $1, decided_by = $2, decided_why = $3, expires_ms = $4 WHERE id = $5";
    let Some(approval) = found(&decision.id, tx).await? else {
        return Ok(Decided::None);
    };
    let own = approval.caller.split(" > ").next() == Some(&*decision.by);
    let may = match approval.standing {
        Standing::Wanted => true,
        Standing::Granted => decision.says == Says::Deny,
        Standing::Denied | Standing::Used | Standing::Expired => false,
    };
    if !may {
        return Ok(Decided::Already(approval.standing));
    }
    let own = own && decision.says == Says::Grant;
    if own && decision.own == Own::Refused {
        return Ok(Decided::NotHis);
    }
    let expires = tx.now().await?.saturating_add(LASTS_MS);
    let state = match decision.says {
        Says::Grant => GRANTED,
        Says::Deny => DENIED,
    };
    let values: [Value; 5] = [
        state.into(),
        (&decision.by).into(),
        (&decision.why).into(),
        expires.into(),
        (&decision.id).into(),
    ];
    tx.execute(SQL, &values).await?;
    Ok(if own { Decided::Own } else { Decided::Yes })
}

async fn found(id: &str, tx: &mut dyn Tx) -> Result<Option<Approval>, DbError> {
    let now = tx.now().await?;
    let rows = tx
        .query(&format!("{ROW} WHERE id = $1"), &[id.into()])
        .await?;
    rows.first().map(|row| approval(row, now)).transpose()
}

fn approval(row: &Row, now: i64) -> Result<Approval, DbError> {
    let text = |cell| row.text(cell).map(str::to_owned);
    let may_be = |cell| row.optional_text(cell).map(|text| text.map(str::to_owned));
    let number = |cell| Ok::<_, DbError>(u64::try_from(row.integer(cell)?).unwrap_or(0));
    let expires = row.integer(11)?;
    Ok(Approval {
        id: text(0)?,
        standing: match row.integer(1)? {
            USED => Standing::Used,
            DENIED => Standing::Denied,
            _ if expires <= now => Standing::Expired,
            WANTED => Standing::Wanted,
            _ => Standing::Granted,
        },
        service: text(2)?,
        operation: text(3)?,
        caller: text(4)?,
        why: text(5)?,
        asked: text(6)?,
        content_type: may_be(7)?,
        payload: row.optional_bytes(8)?.map(<[u8]>::to_vec),
        payload_bytes: number(9)?,
        asked_ms: number(10)?,
        expires_ms: number(11)?,
        verdict: match (may_be(12)?, may_be(13)?) {
            (Some(by), Some(why)) => Some(Verdict { by, why }),
            _ => None,
        },
        used_by: may_be(14)?,
    })
}
