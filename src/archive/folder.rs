//! Files and folders of this machine as an ordinary tar stream, and back. Names lose their leading slash.
//!
//! One thread walks and reads; a bounded channel holds it back when the receiver is slower.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use crate::model::Problem;

/// Bytes handed on at once, and how many such may wait.
const CHUNK: usize = 256 * 1024;
const WAITING: usize = 8;

/// What [`pack`] tells when it is through.
#[derive(Debug, Default)]
pub struct Packed {
    /// Files, links and folders in the archive.
    pub entries: u64,
    /// What could not be read, each left out.
    pub problems: Vec<Problem>,
}

/// Streams `paths` as a tar archive. What cannot be read is left out and told in the answer of the second value, which
/// resolves when the stream has ended.
pub fn pack(
    paths: Vec<PathBuf>,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, impl Future<Output = Packed> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let walker = tokio::task::spawn_blocking(move || {
        let mut packed = Packed::default();
        let writer = ChannelWriter { sender: sender.clone(), buffer: Vec::with_capacity(CHUNK) };
        if let Err(error) = walk(paths, writer, &mut packed) {
            // A closed channel means that nobody wants the archive any more.
            sender.blocking_send(Err(error)).ok();
        }
        packed
    });
    let stream =
        stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) });
    let packed = async move {
        walker.await.unwrap_or_else(|error| Packed {
            entries: 0,
            problems: vec![Problem::new("configuration", format!("the walk failed: {error}"))],
        })
    };
    (stream, packed)
}

fn walk(paths: Vec<PathBuf>, writer: ChannelWriter, packed: &mut Packed) -> io::Result<()> {
    let mut builder = tar::Builder::new(writer);
    let mut waiting: Vec<PathBuf> = paths.into_iter().rev().collect();
    while let Some(path) = waiting.pop() {
        match append(&mut builder, &path) {
            Ok(children) => {
                packed.entries += 1;
                waiting.extend(children.into_iter().rev());
            }
            Err(Failure::Entry(error)) => packed.problems.push(Problem::new(path.display().to_string(), error)),
            Err(Failure::Archive(error)) => return Err(error),
        }
    }
    builder.into_inner()?.finish()
}

/// An entry that cannot be read is left out; an archive that cannot be written is given up.
enum Failure {
    Entry(io::Error),
    Archive(io::Error),
}

/// Appends one entry, and answers what lies in it, sorted.
fn append(builder: &mut tar::Builder<ChannelWriter>, path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let metadata = fs::symlink_metadata(path).map_err(Failure::Entry)?;
    let name = path.strip_prefix("/").unwrap_or(path);
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&metadata);
    if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(Failure::Entry)?;
        header.set_size(0);
        builder.append_link(&mut header, name, target).map_err(Failure::Archive)?;
    } else if metadata.is_dir() {
        let children = fs::read_dir(path).map_err(Failure::Entry)?;
        let children: io::Result<Vec<PathBuf>> = children.map(|entry| Ok(entry?.path())).collect();
        let mut children = children.map_err(Failure::Entry)?;
        children.sort();
        header.set_size(0);
        builder.append_data(&mut header, name, io::empty()).map_err(Failure::Archive)?;
        return Ok(children);
    } else if metadata.is_file() {
        let file = File::open(path).map_err(Failure::Entry)?;
        // A file that shrinks meanwhile is filled up, or every entry after it would be misread.
        let size = metadata.size();
        let exact = file.take(size).chain(io::repeat(0)).take(size);
        builder.append_data(&mut header, name, exact).map_err(Failure::Archive)?;
    } else {
        return Err(Failure::Entry(io::Error::other("it is neither file, folder nor link")));
    }
    Ok(Vec::new())
}

/// Hands what is written on in chunks.
struct ChannelWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl ChannelWriter {
    fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        if full.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(full.into())).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// Unpacks a raw tar stream below `target`; no entry can leave it. Answers the number of entries.
pub async fn unpack(raw: impl Stream<Item = io::Result<Bytes>> + Send + 'static, target: PathBuf) -> io::Result<u64> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let reader = ChannelReader { receiver, rest: Bytes::new() };
    let worker = tokio::task::spawn_blocking(move || unpack_all(reader, &target));
    let mut raw = std::pin::pin!(raw);
    while let Some(item) = raw.next().await {
        if sender.send(item).await.is_err() {
            break;
        }
    }
    drop(sender);
    worker.await.map_err(io::Error::other)?
}

fn unpack_all(mut reader: ChannelReader, target: &Path) -> io::Result<u64> {
    fs::create_dir_all(target)?;
    let mut archive = tar::Archive::new(&mut reader);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(rustix::process::geteuid().is_root());
    archive.set_overwrite(false);
    let mut entries = 0;
    // A folder that may not be written to is closed once all is in it.
    let mut closed = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.unpack_in(target)? {
            return Err(io::Error::other(format!("the entry {} would leave the folder", entry.path()?.display())));
        }
        entries += 1;
        let mode = entry.header().mode()? & 0o7777;
        if entry.header().entry_type().is_dir() && mode & 0o300 != 0o300 {
            let names = entry.path()?;
            let names = names.components().filter(|name| matches!(name, Component::Normal(_)));
            let folder = target.join(names.collect::<PathBuf>());
            fs::set_permissions(&folder, Permissions::from_mode(mode | 0o700))?;
            closed.push((folder, mode));
        }
    }
    for (folder, mode) in closed.into_iter().rev() {
        fs::set_permissions(folder, Permissions::from_mode(mode))?;
    }
    // What comes after the end blocks is read too: the stream proves itself only at its end.
    io::copy(&mut reader, &mut io::sink())?;
    Ok(entries)
}

struct ChannelReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(item) => self.rest = item?,
                None => return Ok(0),
            }
        }
        let taken = self.rest.split_to(buffer.len().min(self.rest.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_comes_back_with_links_and_what_is_unreadable_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("etc");
        fs::create_dir_all(source.join("empty")).unwrap();
        fs::write(source.join("a ü"), vec![7; 700_000]).unwrap();
        std::os::unix::fs::symlink("a ü", source.join("link")).unwrap();
        let (stream, packed) = pack(vec![source.clone(), folder.path().join("missing")]);
        let target = folder.path().join("out");
        let entries = unpack(stream, target.clone()).await.unwrap();
        let packed = packed.await;
        assert_eq!((packed.entries, entries, packed.problems.len()), (4, 4, 1));
        assert!(packed.problems[0].subject.ends_with("missing"));
        let back = target.join(source.strip_prefix("/").unwrap());
        assert_eq!(fs::read(back.join("a ü")).unwrap(), vec![7; 700_000]);
        assert_eq!(fs::read_link(back.join("link")).unwrap(), Path::new("a ü"));
        assert!(back.join("empty").is_dir());
    }
}
