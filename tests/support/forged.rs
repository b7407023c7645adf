//! Backups in a folder that are whole by all their digests, and not what a database gave.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::fs;
use std::io::Read;
use std::path::Path;

use dcs::archive::gzip::{Level, compress_member};
use dcs::archive::sha256;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

/// Changes the manifest at `path`, and its digest with it.
pub fn forge(path: &Path, change: impl FnOnce(&mut Value)) {
    let before = fs::read(path).unwrap();
    let mut manifest: Value = serde_json::from_slice(&before).unwrap();
    change(&mut manifest);
    let after = serde_json::to_vec_pretty(&manifest).unwrap();
    fs::write(path, &after).unwrap();
    resum(path, &before, &after);
}

/// Changes the dump of the backup whose manifest is at `path`, with all its digests.
pub fn forge_dump(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let dump = path.with_file_name("db").join("dream.dump.gz");
    let before = fs::read(&dump).unwrap();
    let mut raw = Vec::new();
    MultiGzDecoder::new(before.as_slice()).read_to_end(&mut raw).unwrap();
    change(&mut raw);
    let after = compress_member(&raw, Level::default());
    fs::write(&dump, &after).unwrap();
    resum(path, &before, &after);
    forge(path, |manifest| {
        let dump = &mut manifest["databases"][0]["dump"];
        dump["raw_size"] = json!(raw.len());
        dump["raw_sha256"] = json!(sha256(&raw).to_string());
        dump["parts"][0]["size"] = json!(after.len());
        dump["parts"][0]["sha256"] = json!(sha256(&after).to_string());
    });
}

fn resum(manifest: &Path, before: &[u8], after: &[u8]) {
    let sums = manifest.with_file_name("SHA256SUMS");
    let (old, new) = (sha256(before).to_string(), sha256(after).to_string());
    let text = fs::read_to_string(&sums).unwrap();
    assert!(text.contains(&old), "{text}");
    fs::write(&sums, text.replace(&old, &new)).unwrap();
}
