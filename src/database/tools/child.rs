//! A tool under way: its output as a stream, or its input fed from one; what it complains about kept apart.
//!
//! A stream ends cleanly only after the tool ended with success. Whatever is dropped is killed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::Tools;
use crate::database::{DatabaseError, DumpStream, ErrorKind, Result};
use crate::model::Secret;

const CHUNK: usize = 512 << 10;
/// How much of what a tool complained about is kept: the end.
const KEPT: usize = 8 << 10;
const SHOWN_LINES: usize = 12;
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What to run, on what.
pub(in crate::database) struct Tool<'a> {
    pub(in crate::database) program: &'static str,
    pub(in crate::database) attempted: &'static str,
    pub(in crate::database) arguments: Vec<String>,
    pub(in crate::database) password: Option<&'a Secret>,
    pub(in crate::database) subject: &'a str,
}

impl Tool<'_> {
    /// Starts the tool and answers its output.
    pub(in crate::database) async fn stream(&self, tools: &Tools) -> Result<DumpStream> {
        let mut running = self.start(tools, Given::Nothing).await?;
        let output = running.child.stdout.take();
        if let Some(output) = &output {
            widen(output);
        }
        let state = output.map(|output| (running, output, BytesMut::new()));
        Ok(stream::try_unfold(state, |state| async move {
            let Some((running, mut output, mut buffer)) = state else { return Ok(None) };
            let chunk = read_chunk(&mut output, &mut buffer).await.map_err(|error| running.broken(error))?;
            if chunk.is_empty() {
                running.success().await?;
                return Ok(None);
            }
            Ok(Some((chunk, Some((running, output, buffer)))))
        })
        .boxed())
    }

    /// Runs the tool and answers all its output, which must not be larger than `limit`.
    pub(in crate::database) async fn text(&self, tools: &Tools, limit: usize) -> Result<String> {
        let mut output = self.stream(tools).await?;
        let mut collected = BytesMut::new();
        while let Some(chunk) = output.next().await {
            collected.extend_from_slice(&chunk?);
            if collected.len() > limit {
                return Err(self.error(ErrorKind::Refused).with_detail(format!("more than {limit} bytes")));
            }
        }
        String::from_utf8(collected.to_vec()).map_err(|error| self.error(ErrorKind::Other).with_source(error))
    }

    /// Starts the tool; it waits for its input.
    pub(in crate::database) async fn feed(&self, tools: &Tools) -> Result<Feed> {
        let mut running = self.start(tools, Given::Pieces).await?;
        let input = running.input.take();
        if let Some(input) = &input {
            widen(input);
        }
        Ok(Feed { running, input })
    }

    /// Runs the tool with a file as its input, and waits for success.
    pub(in crate::database) async fn run_on(&self, tools: &Tools, file: File) -> Result<()> {
        self.start(tools, Given::File(file)).await?.success().await
    }

    async fn start(&self, tools: &Tools, given: Given) -> Result<Running> {
        let keeps_input = matches!(given, Given::Pieces);
        let through_input = tools.prefix.is_some() && self.password.is_some();
        let mut command = tools.command(self.program, through_input);
        if let (Some(password), false) = (self.password, through_input) {
            command.env("PGPASSWORD", password.expose());
        }
        let output = if matches!(given, Given::Nothing) { Stdio::piped() } else { Stdio::null() };
        let input = match given {
            Given::File(file) => Stdio::from(file),
            Given::Nothing if !through_input => Stdio::null(),
            Given::Nothing | Given::Pieces => Stdio::piped(),
        };
        command.args(&self.arguments).stdin(input).stdout(output).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let kind = if error.kind() == io::ErrorKind::NotFound { ErrorKind::NoTool } else { ErrorKind::ToolFailed };
            self.error(kind).with_detail(format!("{} does not start", self.program)).with_source(error)
        })?;
        let mut input = child.stdin.take();
        if let (Some(password), Some(input), true) = (self.password, &mut input, through_input) {
            let line = format!("{}\n", password.expose());
            input.write_all(line.as_bytes()).await.map_err(|error| {
                self.error(ErrorKind::ToolFailed).with_detail("it does not take the password").with_source(error)
            })?;
        }
        let complaints = child.stderr.take().map(|stderr| tokio::spawn(tail(stderr)));
        Ok(Running {
            child,
            complaints,
            input: input.filter(|_| keeps_input),
            program: self.program,
            attempted: self.attempted,
            subject: self.subject.to_owned(),
        })
    }

    fn error(&self, kind: ErrorKind) -> DatabaseError {
        DatabaseError::new(kind, self.attempted, self.subject)
    }
}

/// What a tool reads.
enum Given {
    /// Nothing, or a password.
    Nothing,
    /// What will be written to it.
    Pieces,
    File(File),
}

struct Running {
    child: Child,
    complaints: Option<JoinHandle<String>>,
    input: Option<ChildStdin>,
    program: &'static str,
    attempted: &'static str,
    subject: String,
}

impl Running {
    /// Waits for the end, which must be success.
    async fn success(mut self) -> Result<()> {
        let status = self.child.wait().await.map_err(|error| self.broken(error))?;
        let complaints = match self.complaints.take() {
            // A process that the tool left behind may keep the pipe open; what it says is of no interest.
            Some(task) => tokio::time::timeout(LAST_WORDS, task)
                .await
                .map_or_else(|_| String::new(), std::result::Result::unwrap_or_default),
            None => String::new(),
        };
        if status.success() {
            if !complaints.is_empty() {
                tracing::debug!(program = self.program, %complaints, "the tool succeeded with remarks");
            }
            return Ok(());
        }
        let detail = format!("{} {}: {complaints}", self.program, ending(status));
        let kind = match judge(&complaints) {
            // What a dump complains about is the live database.
            ErrorKind::Damaged | ErrorKind::Lacking | ErrorKind::Rejected if self.program != "pg_restore" => {
                ErrorKind::ToolFailed
            }
            kind => kind,
        };
        let error = DatabaseError::new(kind, self.attempted, self.subject.as_str()).with_detail(detail);
        if kind != ErrorKind::Lacking || !is_role_missing(&complaints) {
            return Err(error);
        }
        Err(error.with_hint("Make the role on the server, or leave out the backup's owners and rights: `--no-owner`."))
    }

    fn broken(&self, error: io::Error) -> DatabaseError {
        let detail = format!("the connection to {} broke", self.program);
        DatabaseError::new(ErrorKind::ToolFailed, self.attempted, self.subject.as_str())
            .with_detail(detail)
            .with_source(error)
    }
}

/// A tool that reads.
pub(in crate::database) struct Feed {
    running: Running,
    input: Option<ChildStdin>,
}

impl Feed {
    /// Feeds the whole stream and waits for success. The stream is read to its end even when the tool wants no more:
    /// only then has its source said that all of it was right.
    pub(in crate::database) async fn all(mut self, mut source: DumpStream) -> Result<()> {
        while let Some(chunk) = source.next().await {
            let chunk = chunk?;
            let Some(input) = &mut self.input else { continue };
            if input.write_all(&chunk).await.is_err() {
                // Its end says why. After a failure there is no point in reading on.
                self.input = None;
                if self.running.child.wait().await.is_ok_and(|status| !status.success()) {
                    break;
                }
            }
        }
        drop(self.input.take());
        self.running.success().await
    }

    /// Feeds no more than the tool wants, waits for success, and answers what was taken out of the stream.
    pub(in crate::database) async fn what_it_takes(mut self, source: &mut DumpStream) -> Result<Vec<Bytes>> {
        let mut taken = Vec::new();
        if let Some(mut input) = self.input.take() {
            while let Some(chunk) = source.next().await {
                let chunk = chunk?;
                taken.push(chunk.clone());
                // A tool that has all it wants closes its end.
                if input.write_all(&chunk).await.is_err() {
                    break;
                }
            }
        }
        self.running.success().await?;
        Ok(taken)
    }
}

/// Reads into the memory of the last chunk, where nobody holds that any more.
async fn read_chunk(output: &mut ChildStdout, buffer: &mut BytesMut) -> io::Result<Bytes> {
    buffer.reserve(CHUNK);
    while buffer.len() < CHUNK {
        let room = CHUNK - buffer.len();
        if (&mut *output).take(room as u64).read_buf(buffer).await? == 0 {
            break;
        }
    }
    Ok(buffer.split().freeze())
}

/// Lets a tool write so much ahead. A pipe of the usual size makes the two wait for each other at every 64 KiB.
fn widen(pipe: impl AsFd) {
    // Where there are too many wide pipes already, a narrow one does.
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(pipe, CHUNK) {
        tracing::debug!(%error, "a pipe to a tool stays narrow");
    }
}

/// Reads all, keeps the end.
async fn tail(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stderr.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with code {code}"),
        None => "was killed".to_owned(),
    }
}

/// What the tool's last words mean. Its own messages are English, by the locale it was given.
fn judge(complaints: &str) -> ErrorKind {
    const DAMAGED: [&str; 9] = [
        "does not appear to be a valid archive",
        "did not find magic string",
        "input file is too short",
        "end of file",
        "could not read from input file",
        "unrecognized data block type",
        "is corrupt",
        "could not uncompress data",
        "invalid byte count",
    ];
    const LACKING: [&str; 4] = [
        "could not open extension control file",
        "could not access file",
        "must be loaded via shared_preload_libraries",
        "has no installation script",
    ];
    /// The server went, and said nothing of what it was to load.
    const GONE: [&str; 5] = [
        "server closed the connection",
        "terminating connection",
        "shutting down",
        "connection to server",
        "no connection to the server",
    ];
    const FULL: [&str; 3] = ["No space left on device", "Disk quota exceeded", "could not extend file"];
    const REJECTED: [&str; 2] = ["could not execute query", "COPY failed for table"];
    let says = |text: &str| complaints.contains(text);
    if says("in file header") && says("unsupported version") {
        ErrorKind::NoTool
    } else if DAMAGED.into_iter().any(says) {
        ErrorKind::Damaged
    } else if FULL.into_iter().any(says) {
        ErrorKind::Full
    } else if says("permission denied") || says("password authentication failed") {
        ErrorKind::Denied
    } else if LACKING.into_iter().any(says) || is_extension_missing(complaints) || is_role_missing(complaints) {
        ErrorKind::Lacking
    } else if REJECTED.into_iter().any(says) && !GONE.into_iter().any(says) {
        ErrorKind::Rejected
    } else {
        ErrorKind::ToolFailed
    }
}

fn is_extension_missing(complaints: &str) -> bool {
    complaints.lines().any(|line| line.contains("extension \"") && line.ends_with("is not available"))
}

fn is_role_missing(complaints: &str) -> bool {
    complaints.lines().any(|line| line.contains("ERROR:  role \"") && line.ends_with("\" does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_rejects_is_told_from_what_it_lacks_and_from_a_server_that_went() {
        let query = "pg_restore: error: could not execute query: ERROR:";
        for (complaints, kind) in [
            (format!("{query}  syntax error at or near \"x\""), ErrorKind::Rejected),
            ("pg_restore: error: COPY failed for table \"t\": ERROR:  invalid input".to_owned(), ErrorKind::Rejected),
            (format!("{query}  extension \"postgis\" is not available\nDETAIL: x"), ErrorKind::Lacking),
            (format!("{query}  could not access file \"$libdir/x\": No such file"), ErrorKind::Lacking),
            (format!("{query}  role \"shop\" does not exist"), ErrorKind::Lacking),
            (format!("{query}  could not extend file \"base/1/2\": File too large"), ErrorKind::Full),
            (format!("{query}  terminating connection due to administrator command"), ErrorKind::ToolFailed),
            (format!("{query}  permission denied for schema s"), ErrorKind::Denied),
            ("pg_restore: error: could not read from input file: end of file".to_owned(), ErrorKind::Damaged),
        ] {
            assert_eq!(judge(&complaints), kind, "{complaints}");
        }
    }
}
