//! The formats of a repository as others see them: with `tar`, `gzip`, `tail`, `head` and `sha256sum`, and after damage.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use dcs::archive::sha256;
use dcs::model::manifest::Segment;
use dcs::model::{Attributes, BucketName, IndexRow, Key, Prefix, SourceName};
use dcs::repository::index::IndexWriter;
use dcs::repository::pack::{
    Fetched, Finished, NewObject, PackOptions, PackWriter, SMALL_BYTES, prepare_small, read_many, read_object,
};
use dcs::repository::{Repository, Result, layout};
use dcs::store::memory::MemoryStore;
use dcs::store::{ByteStream, GetOptions, ObjectStore, Precondition};
use futures_util::{StreamExt, TryStreamExt, stream};

#[path = "formats/damage.rs"]
mod damage;
#[path = "formats/index.rs"]
mod index;
#[path = "formats/packs.rs"]
mod packs;
mod support;
#[path = "formats/tools.rs"]
mod tools;
#[path = "formats/zstd.rs"]
mod zstd;

async fn repository() -> (Repository, MemoryStore) {
    let store = MemoryStore::new();
    (open(Arc::new(store.clone())).await, store)
}

async fn open(store: Arc<dyn ObjectStore>) -> Repository {
    let bucket = BucketName::new("vault").unwrap();
    Repository::init(store, bucket, Prefix::new("dcs/").unwrap()).await.unwrap().0
}

fn object(key: &str, size: u64) -> NewObject {
    NewObject {
        source: SourceName::try_from("live/books".to_owned()).unwrap(),
        key: Key::new(key).unwrap(),
        size,
        etag: "etag".to_owned(),
        modified: "2026-11-20T02:00:00Z".parse().unwrap(),
        attributes: Attributes::default(),
    }
}

/// Bytes that do not compress, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let block = (0..8192).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    repeated(&block.collect::<Vec<u8>>(), length)
}

fn text(length: usize, seed: u64) -> Vec<u8> {
    let lines: Vec<String> = (0..4000).map(|line| format!("line {line} of {seed}\n")).collect();
    repeated(lines.concat().as_bytes(), length)
}

/// Farther apart than a compressor looks back, and no two blocks alike.
fn repeated(block: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = block.repeat(length / block.len() + 1);
    bytes.chunks_mut(block.len()).zip(0_u64..).for_each(|(block, n)| block[..8].copy_from_slice(&n.to_be_bytes()));
    bytes.truncate(length);
    bytes
}

fn content(bytes: &[u8]) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

/// Puts objects in packs, small ones prepared, large ones as a stream.
async fn write(repository: &Repository, objects: &[(&str, Vec<u8>)], options: PackOptions) -> Finished {
    let codec = options.codec;
    let mut writer = PackWriter::new(repository.clone(), options);
    for (key, bytes) in objects {
        let object = object(key, bytes.len() as u64);
        if object.size <= SMALL_BYTES / 2 {
            let prepared = prepare_small(object, content(bytes), codec).await.unwrap();
            writer.add(prepared).await.unwrap();
        } else {
            writer.add_stream(object, content(bytes)).await.unwrap();
        }
    }
    writer.finish().await.unwrap()
}

async fn read(repository: &Repository, row: &IndexRow) -> Result<Vec<u8>> {
    read_object(repository, row)
        .try_fold(Vec::new(), |mut all, chunk| {
            all.extend_from_slice(&chunk);
            std::future::ready(Ok(all))
        })
        .await
}

async fn bytes_of(repository: &Repository, path: &Key) -> Vec<u8> {
    let object = repository.store.get(&repository.address(path).unwrap(), GetOptions::default()).await.unwrap();
    object.body.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap()
}

async fn overwrite(repository: &Repository, path: &Key, bytes: Vec<u8>) {
    let at = repository.address(path).unwrap();
    let attributes = Attributes::default();
    repository.store.put(&at, bytes.into(), &attributes, Precondition::Overwrite).await.unwrap();
}

/// Runs a script; it must succeed and say nothing on stderr.
fn sh(folder: &Path, script: &str) -> Vec<u8> {
    let output = Command::new("sh").args(["-euc", script]).current_dir(folder).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{script}\n{}: {stderr}", output.status);
    output.stdout
}

async fn save(repository: &Repository, folder: &Path, pack: &str) {
    let bytes = bytes_of(repository, &layout::pack(pack)).await;
    let path = layout::pack(pack);
    std::fs::write(folder.join(path.as_str().rsplit('/').next().unwrap()), bytes).unwrap();
}

async fn fetch(repository: &Repository, rows: &[IndexRow]) -> Vec<Fetched> {
    let rows = stream::iter(rows.iter().cloned().map(Ok).collect::<Vec<_>>());
    read_many(repository, rows, 2).try_collect().await.unwrap()
}

fn row(key: &str, size: u64) -> IndexRow {
    let object = object(key, size);
    IndexRow {
        source: object.source,
        key: object.key,
        size,
        etag: object.etag,
        modified: object.modified,
        sha256: sha256(key.as_bytes()),
        attributes: object.attributes,
        pieces: vec![],
    }
}

async fn index(repository: &Repository, rows: impl Iterator<Item = IndexRow>) -> Vec<Segment> {
    let mut writer = IndexWriter::new(repository.clone());
    for row in rows {
        writer.push(row).await.unwrap();
    }
    writer.finish().await.unwrap()
}
