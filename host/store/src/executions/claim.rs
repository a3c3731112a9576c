//! Claiming a row: whose it becomes, and what is told to everybody else.

use super::{Claim, Claimed, DONE, Hold, IN_DOUBT, RUNNING, hash, millis};
use crate::approvals::{self, Taken};
use crate::db::{DbError, Tx, Value};
use crate::runs;
use std::time::Duration;

/// How long a run goes on at least, for whoever asks: nobody knows when it ends, and it is not taken over.
const RUN_MIN: Duration = Duration::from_secs(1);

/// Claims the row, uses the approval that it wants, and begins the run that it is to be.
pub(super) async fn claimed(claim: &Claim, tx: &mut dyn Tx) -> Result<Claimed, DbError> {
    let now = tx.now().await?;
    let claimed = approved(claim, now, tx).await?;
    if let (Some(run), Claimed::Yours(_)) = (&claim.run, &claimed) {
        runs::begin(claim, run, now, tx).await?;
    }
    Ok(claimed)
}

async fn approved(claim: &Claim, now: i64, tx: &mut dyn Tx) -> Result<Claimed, DbError> {
    let claimed = row(claim, now, tx).await?;
    let (Some(wanted), Claimed::Yours(hold)) = (&claim.wanted, &claimed) else {
        return Ok(claimed);
    };
    let not = match approvals::take(wanted, &claim.call, now, tx).await? {
        Taken::Approved(id) => {
            let approval = Some(id.into());
            return Ok(Claimed::Yours(Hold {
                approval,
                ..hold.clone()
            }));
        }
        Taken::Asked(id) => {
            const UNDO: &str = "DELETE FROM executions WHERE key = $1";
            tx.execute(UNDO, &[(&claim.key).into()]).await?;
            return Ok(Claimed::Unapproved(id));
        }
        Taken::Waits(id) => Claimed::Unapproved(id),
        Taken::Denied(id) => Claimed::Denied(id),
        Taken::Crowded => Claimed::Crowded,
    };
    tx.undo();
    Ok(not)
}

async fn row(claim: &Claim, now: i64, tx: &mut dyn Tx) -> Result<Claimed, DbError> {
    const FIRST: &str = "INSERT INTO executions (key, fingerprint, call, caller, operation, state, holder, epoch, \
                         fence, lease_until_ms, effects, began_ms, undo_service, undo) \
                         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, 1, $8, 0, $9, $10, $11) ON CONFLICT (key) DO NOTHING";
    let until = now.saturating_add(millis(claim.lease));
    let [service, undo] = undo(claim);
    let values: [Value; 11] = [
        (&claim.key).into(),
        (&claim.fingerprint).into(),
        (&claim.call).into(),
        (&claim.caller).into(),
        (&claim.operation).into(),
        (&claim.holder.host).into(),
        claim.holder.epoch.into(),
        until.into(),
        now.into(),
        service,
        undo,
    ];
    if tx.execute(FIRST, &values).await? > 0 {
        return Ok(Claimed::Yours(hold(claim, 1)));
    }
    let there = There::read(claim, tx).await?;
    let over = there.state == DONE && there.expires_ms.is_some_and(|end| end <= now);
    if !over && there.fingerprint != claim.fingerprint {
        return Ok(Claimed::OtherPayload);
    }
    match there.state {
        DONE if !over => return Ok(Claimed::Done(there.outcome.unwrap_or_default())),
        IN_DOUBT => return Ok(Claimed::InDoubt(there.call)),
        RUNNING if there.durable => return Ok(Claimed::Running(there.left(now).max(RUN_MIN))),
        RUNNING if there.is_held(claim, now) => return Ok(Claimed::Running(there.left(now))),
        RUNNING if there.effects != 0 => {
            const DOUBT: &str = "UPDATE executions SET state = 2 WHERE key = $1";
            tx.execute(DOUBT, &[(&claim.key).into()]).await?;
            return Ok(Claimed::InDoubt(there.call));
        }
        RUNNING => approvals::give_back(&there.call, tx).await?,
        _ if there.durable => runs::remove(&there.call, tx).await?,
        _ => {}
    }
    taken_over(claim, there.fence.saturating_add(1), until, now, tx).await
}

async fn taken_over(
    claim: &Claim,
    fence: i64,
    until: i64,
    now: i64,
    tx: &mut dyn Tx,
) -> Result<Claimed, DbError> {
    const SQL: &str = "UPDATE executions SET fingerprint = $1, call = $2, caller = $3, operation = $4, state = 0, \
                       holder = $5, epoch = $6, fence = $7, lease_until_ms = $8, effects = 0, began_ms = $9, \
                       outcome = NULL, expires_ms = NULL, durable = 0, undo_service = $10, undo = $11 WHERE key = $12";
    let [service, undo] = undo(claim);
    let values: [Value; 12] = [
        (&claim.fingerprint).into(),
        (&claim.call).into(),
        (&claim.caller).into(),
        (&claim.operation).into(),
        (&claim.holder.host).into(),
        claim.holder.epoch.into(),
        fence.into(),
        until.into(),
        now.into(),
        service,
        undo,
        (&claim.key).into(),
    ];
    tx.execute(SQL, &values).await?;
    Ok(Claimed::Yours(hold(claim, fence)))
}

fn hold(claim: &Claim, fence: i64) -> Hold {
    Hold {
        key: claim.key,
        fence,
        call: claim.call.as_str().into(),
        approval: None,
    }
}

fn undo(claim: &Claim) -> [Value; 2] {
    let undo = claim.undo.as_ref();
    [
        undo.map(|undo| undo.service.clone()).into(),
        undo.map(|undo| undo.operation.clone()).into(),
    ]
}

/// A row that stands where one was to be claimed.
struct There {
    fingerprint: [u8; 32],
    call: String,
    state: i64,
    holder: String,
    epoch: i64,
    fence: i64,
    lease_until_ms: i64,
    effects: i64,
    outcome: Option<Vec<u8>>,
    expires_ms: Option<i64>,
    durable: bool,
}

impl There {
    async fn read(claim: &Claim, tx: &mut dyn Tx) -> Result<Self, DbError> {
        const SQL: &str = "SELECT fingerprint, call, state, holder, epoch, fence, lease_until_ms, effects, outcome, \
                           expires_ms, durable FROM executions WHERE key = $1";
        let rows = tx.query(SQL, &[(&claim.key).into()]).await?;
        let none = || DbError::Contended("a row came and went".to_owned());
        let row = rows.first().ok_or_else(none)?;
        Ok(Self {
            fingerprint: hash(row, 0)?,
            call: row.text(1)?.to_owned(),
            state: row.integer(2)?,
            holder: row.text(3)?.to_owned(),
            epoch: row.integer(4)?,
            fence: row.integer(5)?,
            lease_until_ms: row.integer(6)?,
            effects: row.integer(7)?,
            outcome: row.optional_bytes(8)?.map(<[u8]>::to_vec),
            expires_ms: row.optional_integer(9)?,
            durable: row.integer(10)? != 0,
        })
    }

    /// For how long its holder has it without saying that he still does.
    fn left(&self, now: i64) -> Duration {
        let left = self.lease_until_ms.saturating_sub(now);
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// Whether its holder may still be at it. An earlier life of the claiming host is over, whatever it was promised.
    fn is_held(&self, claim: &Claim, now: i64) -> bool {
        let earlier = self.holder == claim.holder.host && self.epoch < claim.holder.epoch;
        !earlier && self.lease_until_ms > now
    }
}
