//! Standard output as it comes: bytes, lines, or one JSON array, for answers that are longer than memory.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::error::CommandError;
use crate::exit::ExitCode;

/// Standard output, taken for one long answer.
pub struct Out {
    stdout: BufWriter<StdoutLock<'static>>,
    json: bool,
    rows: u64,
}

/// Whether anybody still reads: `head`, say, may have seen enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Listens,
    Gone,
}

impl Out {
    pub(super) fn new(json: bool) -> Self {
        Self { stdout: BufWriter::with_capacity(64 << 10, io::stdout().lock()), json, rows: 0 }
    }

    /// Whether bytes would go to somebody's screen.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Result<Reader, CommandError> {
        let written = self.stdout.write_all(bytes);
        heard(written)
    }

    /// One row of the answer: a line, or an element of the JSON array.
    pub fn row(&mut self, line: &str, json: &impl Serialize) -> Result<Reader, CommandError> {
        self.rows += 1;
        if !self.json {
            return heard(writeln!(self.stdout, "{line}"));
        }
        let text = serde_json::to_string(json)
            .map_err(|error| CommandError::new(ExitCode::Failed, format!("cannot write JSON: {error}")))?;
        let before = if self.rows == 1 { "[\n" } else { ",\n" };
        heard(write!(self.stdout, "{before}{text}"))
    }

    /// Ends the rows.
    pub fn end_rows(mut self) -> Result<(), CommandError> {
        if self.json {
            let text = if self.rows == 0 { "[]\n" } else { "\n]\n" };
            self.bytes(text.as_bytes())?;
        }
        self.end()
    }

    pub fn end(mut self) -> Result<(), CommandError> {
        let flushed = self.stdout.flush();
        heard(flushed).map(drop)
    }
}

fn heard(written: io::Result<()>) -> Result<Reader, CommandError> {
    match written {
        Ok(()) => Ok(Reader::Listens),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(CommandError::new(ExitCode::Failed, format!("cannot write to standard output: {error}"))),
    }
}

/// A name as one line of text that moves no cursor.
pub fn plain(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}
