//! `holdfast call`: one call from the terminal. Status and headers go to standard error, the body to standard output as it comes.

mod operations;

use crate::cli::DataArgs;
use crate::control::BODY_BYTES_MAX;
use crate::control::client::Client;
use crate::control::words::{CallRequest, Request, Response};
use anyhow::{Context as _, bail};
use clap::Args;
use std::io::{Read as _, Write};
use std::process::ExitCode;

/// What `call` is told.
#[derive(Clone, Debug, Args)]
pub struct CallArgs {
    /// The service.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What is to be done: `METHOD /path`, `/path` for a GET, or `INTERFACE/FUNCTION` of a typed service, whose body is JSON.
    /// Without it, the functions of a typed service are listed; any other one is asked `GET /`.
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,
    /// The body; `-` reads it from standard input.
    #[arg(value_name = "BODY")]
    pub body: Option<String>,
    /// Why the call is made.
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Makes the call.
///
/// # Errors
/// No host runs, the call cannot be made, or its answer was cut short.
pub fn run(args: &CallArgs) -> anyhow::Result<ExitCode> {
    let data = &args.data.data;
    let given = match &args.operation {
        Some(given) => given.as_str(),
        None => match operations::of(data, &args.name)?.as_slice() {
            [] => "GET /",
            lines => return operations::list(&args.name, lines),
        },
    };
    let body = body(args.body.as_deref())?;
    let Operation {
        method,
        path,
        content_type,
    } = operation(given)?;
    let typed = content_type.is_some();
    let request = Request::Call(CallRequest {
        name: args.name.clone(),
        method,
        path,
        content_type,
        why: args.why.clone(),
        body_bytes: body.len() as u64,
    });
    let mut client = Client::connect(data)?;
    client.send(&request, &body)?;
    let status = stream(&mut client, &mut std::io::stderr(), &mut std::io::stdout())?;
    if typed && status == NOT_FOUND {
        operations::suggest(data, &args.name, given);
    }
    Ok(code(status))
}

const NOT_FOUND: u16 = 404;

/// Shows an answer as it comes: its head, then its body.
///
/// # Errors
/// The call could not be made, or its answer was cut short.
pub fn show(
    client: &mut Client,
    head: &mut dyn Write,
    body: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    stream(client, head, body).map(code)
}

fn code(status: u16) -> ExitCode {
    if (200..300).contains(&status) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Shows an answer, and says its status.
fn stream(client: &mut Client, head: &mut dyn Write, body: &mut dyn Write) -> anyhow::Result<u16> {
    let mut seen = 0;
    loop {
        match client.line()? {
            Response::Head { status, headers } => {
                seen = status;
                writeln!(head, "{status}")?;
                for (name, value) in headers {
                    writeln!(head, "{name}: {}", value.escape_debug())?;
                }
                writeln!(head)?;
            }
            Response::Data(bytes) => {
                body.write_all(&client.data(bytes)?)?;
                body.flush()?;
            }
            Response::End => return Ok(seen),
            Response::Error(error) => bail!(error),
            Response::Text(_)
            | Response::Services(_)
            | Response::Operations(_)
            | Response::Key { .. }
            | Response::Keys(_)
            | Response::Executions(_)
            | Response::Approvals(_)
            | Response::Locks(_)
            | Response::Queues(_)
            | Response::Schedules(_)
            | Response::Messages(_)
            | Response::Runs(_)
            | Response::Run(_)
            | Response::Record(_)
            | Response::Costs(_) => {
                bail!("the host speaks another version of this program")
            }
        }
    }
}

/// What is to be done, as a request.
struct Operation {
    method: String,
    path: String,
    content_type: Option<String>,
}

fn operation(text: &str) -> anyhow::Result<Operation> {
    let plain = |method: &str, path: &str| Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        content_type: None,
    };
    match text.split_once(' ') {
        None if text.starts_with('/') => Ok(plain("GET", text)),
        Some((method, path)) if path.starts_with('/') => Ok(plain(method, path)),
        None if text.contains('/') => Ok(Operation {
            content_type: Some("application/json".to_owned()),
            ..plain("POST", &format!("/{text}"))
        }),
        Some(_) | None => {
            bail!(
                "`{text}` is no operation; write \"METHOD /path\", such as \"POST /notes\", or INTERFACE/FUNCTION of a typed service"
            )
        }
    }
}

fn body(given: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let body = match given {
        None => Vec::new(),
        Some("-") => {
            let mut body = Vec::new();
            let input = std::io::stdin().lock();
            input
                .take(BODY_BYTES_MAX + 1)
                .read_to_end(&mut body)
                .context("cannot read standard input")?;
            body
        }
        Some(text) => text.as_bytes().to_vec(),
    };
    if body.len() as u64 > BODY_BYTES_MAX {
        bail!("a body has at most {BODY_BYTES_MAX} bytes");
    }
    Ok(body)
}
