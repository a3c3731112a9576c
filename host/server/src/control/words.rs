//! The wire form of the owner's socket. It is private to one version of the program: server and client are the same binary.

use super::queue::{MessageLine, QueueLine, QueueRequest};
use super::run::{RunLine, RunRequest, RunShown};
use holdfast_rules::capture::Record;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Every service.
    Ls,
    /// Read the policy anew.
    Reload,
    /// Put the version before back.
    Rollback {
        /// Of this service.
        name: String,
    },
    /// Load what lies in the plugin directory once more.
    Load {
        /// Of this service.
        name: String,
        /// Whether it may break what other services import of it.
        breaking: bool,
    },
    /// What a typed service offers.
    Operations {
        /// The service.
        name: String,
    },
    /// Make a call; its body follows the line.
    Call(CallRequest),
    /// Make a key for a caller.
    NewKey(KeyRequest),
    /// Every key of a caller.
    Keys,
    /// Every call with a key that is not done.
    Executions,
    /// Say that one of which nobody knows what came of it may be made again.
    ReleaseExecution {
        /// The call.
        call: String,
    },
    /// Undo a call by the operation that its service has declared for that.
    Undo {
        /// The call.
        call: String,
    },
    /// What waits to be approved.
    Approvals {
        /// Also what is over.
        all: bool,
    },
    /// One of them, whole.
    Approval {
        /// Its name.
        id: String,
    },
    /// Say whether it may be done.
    Decide(Decide),
    /// Every lease that is held.
    Locks,
    /// What is asked of services by the clock.
    Schedules,
    /// What is in queues, and what becomes of it.
    Queue(QueueRequest),
    /// Durable executions, and what becomes of them.
    Run(RunRequest),
    /// What was paid.
    Cost(CostRequest),
    /// Take a backup.
    Backup {
        /// In this directory.
        to: PathBuf,
    },
    /// Tell whoever is told what waits for a person that nothing has happened.
    NotifyTest,
    /// Take a key back.
    RevokeKey {
        /// Its name.
        id: String,
    },
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// It is no request; the text says why, and may be shown on a terminal.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            let text = format!("the request is not valid: {error}");
            // The complaint quotes what was sent.
            text.chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect()
        })
    }
}

/// A call from the terminal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRequest {
    /// The service.
    pub name: String,
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// Why.
    pub why: Option<String>,
    /// What the body is, if that is said.
    #[serde(default)]
    pub content_type: Option<String>,
    /// How many bytes of body follow.
    pub body_bytes: u64,
}

/// A key that is to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// Whose it will be.
    pub principal: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// How many seconds it lasts, if not for ever.
    pub lasts_s: Option<u64>,
    /// What it is for.
    pub why: String,
}

/// A key, without its secret. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLine {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// What it is good for.
    pub scopes: String,
    /// When it was made.
    pub created_ms: u64,
    /// When it ends, if it does.
    pub expires_ms: Option<u64>,
    /// When it was taken back, if it was.
    pub revoked_ms: Option<u64>,
    /// What it is for.
    pub why: String,
}

/// What was paid, in which time, told apart by what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRequest {
    /// From when on, in milliseconds since 1970.
    pub since_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// By what.
    pub by: Vec<String>,
}

/// A sum of what was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostLine {
    /// What it is told apart by, and what that is.
    pub by: std::collections::BTreeMap<String, String>,
    /// How much.
    pub amount_nanousd: u64,
    /// In how many tries.
    pub tries: u64,
    /// How much of it may not have been paid.
    pub unconfirmed_nanousd: u64,
}

/// A call with a key that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionLine {
    /// The call.
    pub call: String,
    /// Who asked for it.
    pub caller: String,
    /// What was to be done.
    pub operation: String,
    /// Since when, in milliseconds since 1970.
    pub began_ms: u64,
    /// `running` or `indeterminate`.
    pub state: String,
}

/// What is said of an action that waits to be approved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// The approval.
    pub id: String,
    /// Whether it may be done.
    pub grant: bool,
    /// Why.
    pub why: String,
}

/// An action that has to be approved. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalLine {
    /// Its name: that of the call that was the first to ask for it.
    pub id: String,
    /// `wanted`, `granted`, `denied`, `used` or `expired`.
    pub state: String,
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
    /// The payload in base64; absent in a list, and where it was too long to be kept.
    pub payload: Option<String>,
    /// How long it is.
    pub payload_bytes: u64,
    /// Since when it is wanted.
    pub asked_ms: u64,
    /// Until when it is wanted, or may be used.
    pub expires_ms: u64,
    /// Who said something of it.
    pub decided_by: Option<String>,
    /// Why.
    pub decided_why: Option<String>,
    /// The call that has done it.
    pub used_by: Option<String>,
}

/// A lease that is held. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockLine {
    /// Whose it is.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Which host holds it.
    pub host: String,
    /// In which of its lives.
    pub epoch: i64,
    /// Which call.
    pub call: String,
    /// What that is doing.
    pub why: String,
    /// Under which number.
    pub fence: i64,
    /// Since when.
    pub since_ms: u64,
    /// Until when, if it is not renewed.
    pub until_ms: u64,
}

/// What is asked of a service by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleLine {
    /// The service.
    pub service: String,
    /// The name of the schedule.
    pub name: String,
    /// When it fires.
    pub when: String,
    /// What is asked for.
    pub operation: String,
    /// When next, in milliseconds since 1970; none, where there are no moments.
    pub next_ms: Option<u64>,
    /// How often it has fired.
    pub fired: u64,
    /// How often it was skipped because the last one had not ended.
    pub skipped: u64,
    /// How often no host was there.
    pub missed: u64,
}

/// An operation of a typed service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationLine {
    /// As one writes it: `INTERFACE/FUNCTION`.
    pub name: String,
    /// The full name of its interface.
    pub interface: String,
    /// What it takes and gives, as in WIT.
    pub signature: String,
    /// What its author says of it.
    pub docs: Option<String>,
    /// Whether it only looks.
    pub safe: bool,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Response {
    /// Text for people.
    Text(String),
    /// Every service, as the admin pages show it.
    Services(Vec<serde_json::Value>),
    /// Every operation of a service; none, if it is not typed.
    Operations(Vec<OperationLine>),
    /// A key that was made; it is not shown again.
    Key {
        /// The key.
        key: String,
        /// Its name.
        id: String,
    },
    /// Every key, without its secret.
    Keys(Vec<KeyLine>),
    /// Every call with a key that is not done.
    Executions(Vec<ExecutionLine>),
    /// What has to be approved.
    Approvals(Vec<ApprovalLine>),
    /// Every lease that is held.
    Locks(Vec<LockLine>),
    /// What is asked of services by the clock.
    Schedules(Vec<ScheduleLine>),
    /// Every queue that has messages.
    Queues(Vec<QueueLine>),
    /// Messages.
    Messages(Vec<MessageLine>),
    /// Durable executions.
    Runs(Vec<RunLine>),
    /// One of them, with what it did.
    Run(Box<RunShown>),
    /// All that is on record of a durable execution.
    Record(Box<Record>),
    /// What was paid.
    Costs(Vec<CostLine>),
    /// The head of an answer; its body follows in [`Response::Data`] lines.
    Head {
        /// The status.
        status: u16,
        /// The headers, in their order.
        headers: Vec<(String, String)>,
    },
    /// So many bytes follow the line.
    Data(u64),
    /// The answer ended well.
    End,
    /// It was not done, or an answer was cut short.
    Error(String),
}
