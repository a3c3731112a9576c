//! `holdfast call`: one call from the terminal. Status and headers go to standard error, the body to standard output as it comes.

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
    #[arg(value_name = "OPERATION", default_value = "GET /")]
    pub operation: String,
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
    let body = body(args.body.as_deref())?;
    let Operation {
        method,
        path,
        content_type,
    } = operation(&args.operation)?;
    let request = Request::Call(CallRequest {
        name: args.name.clone(),
        method,
        path,
        content_type,
        why: args.why.clone(),
        body_bytes: body.len() as u64,
    });
    let mut client = Client::connect(&args.data.data)?;
    client.send(&request, &body)?;
    show(&mut client, &mut std::io::stderr(), &mut std::io::stdout())
}

/// Shows an answer as it comes: its head, then its body.
///
/// # Errors
/// The call could not be made, or its answer was cut short.
pub fn show(
    client: &mut Client,
    head: &mut dyn Write,
    body: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::FAILURE;
    loop {
        match client.line()? {
            Response::Head { status, headers } => {
                if (200..300).contains(&status) {
                    code = ExitCode::SUCCESS;
                }
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
            Response::End => return Ok(code),
            Response::Error(error) => bail!(error),
            Response::Text(_) | Response::Services(_) => {
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
