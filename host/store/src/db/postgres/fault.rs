//! What PostgreSQL's errors mean.

use super::server::told;
use crate::db::error::DbError;
use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::Severity;

/// The error in our words. Of what the server says, only its message is told: the detail holds values.
pub(super) fn fault(error: &Error) -> DbError {
    if let Some(said) = error.as_db_error() {
        return meaning(said.code().code(), said.message());
    }
    let text = told(error);
    // The kinds of what happens on our side have no other names than these.
    let is = |kinds: &[&str]| kinds.iter().any(|kind| text.starts_with(kind));
    if is(&["invalid configuration", "authentication error"]) {
        DbError::Refused(text)
    } else if is(&["error serializing", "error deserializing", "invalid column"]) {
        DbError::Failing(text)
    } else {
        DbError::Unreachable(text)
    }
}

/// The error if it struck while a unit was kept. A server that says it failed has kept nothing; one that goes down, or says nothing, may.
pub(super) fn fault_of_commit(error: &Error) -> DbError {
    match error.as_db_error() {
        Some(said) if said.parsed_severity() == Some(Severity::Error) => fault(error),
        Some(said) => DbError::Ambiguous(said.message().to_owned()),
        None => DbError::Ambiguous(told(error)),
    }
}

/// The error if no connection could be had.
pub(super) fn fault_of_pool(error: &PoolError) -> DbError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => DbError::Busy,
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            DbError::Unreachable("it does not answer".to_owned())
        }
        PoolError::Backend(error) => fault(error),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            DbError::Failing(told(error))
        }
    }
}

/// The five characters that stand before each error of the server, by their classes first (appendix A of its manual).
fn meaning(code: &str, message: &str) -> DbError {
    let text = message.to_owned();
    match code {
        "53100" => DbError::Full,
        "53200" | "53300" | "53400" => DbError::Busy,
        "25006" => DbError::ReadOnly(text),
        "40001" | "40P01" => DbError::Contended(text),
        "40003" => DbError::Ambiguous(text),
        "55P03" | "55006" => DbError::Locked(text),
        "57014" => DbError::Slow(text),
        "57P04" => DbError::Gone(text),
        "42501" | "3D000" => DbError::Refused(text),
        // A connection that somebody shares out may come without the statements that were prepared on it.
        "26000" | "25P03" => DbError::Unreachable(text),
        "58P01" | "XX001" | "XX002" => DbError::Corrupt(text),
        _ => match code.get(..2) {
            Some("08") | Some("57") => DbError::Unreachable(text),
            Some("23") => DbError::Constraint(text),
            Some("28") => DbError::Refused(text),
            Some(_) | None => DbError::Failing(format!("{text} ({code})")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning() {
        let text = || "text".to_owned();
        let table = [
            ("53100", DbError::Full),
            ("53200", DbError::Busy),
            ("53300", DbError::Busy),
            ("25006", DbError::ReadOnly(text())),
            ("40001", DbError::Contended(text())),
            ("40P01", DbError::Contended(text())),
            ("40003", DbError::Ambiguous(text())),
            ("55P03", DbError::Locked(text())),
            ("57014", DbError::Slow(text())),
            ("57P01", DbError::Unreachable(text())),
            ("57P02", DbError::Unreachable(text())),
            ("57P03", DbError::Unreachable(text())),
            ("57P04", DbError::Gone(text())),
            ("08000", DbError::Unreachable(text())),
            ("08006", DbError::Unreachable(text())),
            ("25P03", DbError::Unreachable(text())),
            ("26000", DbError::Unreachable(text())),
            ("28P01", DbError::Refused(text())),
            ("28000", DbError::Refused(text())),
            ("3D000", DbError::Refused(text())),
            ("42501", DbError::Refused(text())),
            ("23505", DbError::Constraint(text())),
            ("XX001", DbError::Corrupt(text())),
            ("58P01", DbError::Corrupt(text())),
            ("58030", DbError::Failing("text (58030)".to_owned())),
            ("42601", DbError::Failing("text (42601)".to_owned())),
            ("", DbError::Failing("text ()".to_owned())),
        ];
        for (code, fault) in table {
            assert_eq!(meaning(code, "text"), fault, "{code}");
        }
    }

    #[test]
    fn whoever_waits_too_long_for_a_connection_is_told_which_wait_it_was() {
        let wait = fault_of_pool(&PoolError::Timeout(TimeoutType::Wait));
        assert_eq!(wait, DbError::Busy);
        let create = fault_of_pool(&PoolError::Timeout(TimeoutType::Create));
        assert!(matches!(create, DbError::Unreachable(_)));
    }
}
