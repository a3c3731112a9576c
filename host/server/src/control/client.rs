//! The command line's end of the owner's socket.

use crate::control::words::{Request, Response};
use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection to the host that runs on a data directory.
pub struct Client {
    read: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// No host runs there, or it belongs to somebody else.
    pub fn connect(data: &Path) -> anyhow::Result<Self> {
        let path = super::path(data);
        let stream = UnixStream::connect(&path).with_context(|| {
            format!(
                "no host answers on {}; start one with `holdfast serve --data {}`, or name its data directory with --data",
                path.display(),
                data.display()
            )
        })?;
        Ok(Self {
            read: BufReader::new(stream),
        })
    }

    /// The same client, which waits no longer than this for each part of an answer.
    ///
    /// # Errors
    /// The system refuses.
    pub fn within(self, patience: std::time::Duration) -> anyhow::Result<Self> {
        self.read.get_ref().set_read_timeout(Some(patience))?;
        self.read.get_ref().set_write_timeout(Some(patience))?;
        Ok(self)
    }

    /// Sends a request, with the body that follows it.
    ///
    /// # Errors
    /// The host went away.
    pub fn send(&mut self, request: &Request, body: &[u8]) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        line.extend_from_slice(body);
        self.read
            .get_mut()
            .write_all(&line)
            .context("the host went away")
    }

    /// Reads one line of the answer.
    ///
    /// # Errors
    /// The host went away, or is another version of the program.
    pub fn line(&mut self) -> anyhow::Result<Response> {
        let mut line = String::new();
        if self
            .read
            .read_line(&mut line)
            .context("the host went away")?
            == 0
        {
            bail!("the host went away in the middle of its answer");
        }
        serde_json::from_str(&line).context("the host speaks another version of this program")
    }

    /// Reads the bytes that follow a [`Response::Data`] line.
    ///
    /// # Errors
    /// The host went away.
    pub fn data(&mut self, bytes: u64) -> anyhow::Result<Vec<u8>> {
        let mut data = Vec::new();
        (&mut self.read).take(bytes).read_to_end(&mut data)?;
        if data.len() as u64 != bytes {
            bail!("the host went away in the middle of its answer");
        }
        Ok(data)
    }

    /// Sends a request that is answered by one line.
    ///
    /// # Errors
    /// The host refused, or went away.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Response> {
        self.send(request, &[])?;
        match self.line()? {
            Response::Error(error) => bail!(error),
            response => Ok(response),
        }
    }
}
