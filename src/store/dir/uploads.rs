//! Uploads in parts: a folder `.dcs/uploads/ID` with the bytes so far and what they are to become.
//!
//! Each part is written where it belongs and synced, so a part that was answered for is there after a crash. Completing
//! renames the file into its bucket; killed after that, the folder without its file is an upload that can only be aborted.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use jiff::Timestamp;
use rustix::fs::{Dir, OFlags, copy_file_range, fsync, renameat};
use serde::{Deserialize, Serialize};

use super::fault::{Fault, Result, present};
use super::files::{Files, Spot};
use super::tree::open_folder;
use super::workspace::{self, Temporary};
use crate::model::{Attributes, BucketName, Key};
use crate::store::{Address, ErrorKind, StaleUpload, Stored, Upload, UploadedPart};

const UPLOADS: &str = "uploads";
const BYTES: &str = "bytes";
const PLAN: &str = "upload.json";
const COPY_BUFFER: usize = 1 << 20;

/// What an upload is to become.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    bucket: BucketName,
    key: Key,
    attributes: Attributes,
    started: Timestamp,
}

impl Files {
    pub(super) fn create_upload(&self, at: &Address, attributes: &Attributes) -> Result<Upload> {
        let spot = self.spot_to_write(at)?;
        let plan = Plan {
            bucket: at.bucket.clone(),
            key: at.key.clone(),
            attributes: attributes.clone(),
            started: Timestamp::now(),
        };
        let uploads = workspace::open(&spot.root, UPLOADS)?;
        let temporary = workspace::temporary(&spot.root)?;
        let begun = begin(&uploads, &temporary, &plan);
        if begun.is_err() {
            temporary.discard();
        }
        begun?;
        Ok(Upload { at: at.clone(), id: temporary.name })
    }

    pub(super) fn upload_part(&self, upload: &Upload, number: u32, offset: u64, body: &[u8]) -> Result<UploadedPart> {
        let (_, _, file) = self.open_upload(upload)?;
        file.write_all_at(body, offset)?;
        file.sync_data()?;
        Ok(part(number, offset, body.len() as u64))
    }

    pub(super) fn copy_part(
        &self,
        upload: &Upload,
        number: u32,
        offset: u64,
        from: &Address,
        range: Range<u64>,
    ) -> Result<UploadedPart> {
        let source = self.open(&self.spot(from)?)?.opened;
        if range.is_empty() || range.end > source.status.size() {
            return Err(Fault::told(ErrorKind::Other, "the range is not within the object"));
        }
        let (_, _, file) = self.open_upload(upload)?;
        copy_range(&source.file, range.clone(), &file, offset)?;
        source.check_unchanged()?;
        file.sync_data()?;
        Ok(part(number, offset, range.end - range.start))
    }

    pub(super) fn complete_upload(&self, upload: &Upload, parts: &[UploadedPart]) -> Result<Stored> {
        let (spot, plan, file) = self.open_upload(upload)?;
        let length = joined_length(parts)?;
        if file.metadata()?.len() < length {
            return Err(Fault::told(ErrorKind::Other, "a part was never uploaded"));
        }
        // A last part that was repeated with fewer bytes.
        file.set_len(length)?;
        let uploads = workspace::open(&spot.root, UPLOADS)?;
        let folder = open_folder(&uploads, &upload.id)?;
        let bytes = Temporary { folder, name: BYTES.to_owned() };
        let stored = self.publish(&spot, &bytes, &file, &plan.attributes)?;
        workspace::discard_folder(&uploads, &upload.id);
        Ok(stored)
    }

    pub(super) fn abort_upload(&self, upload: &Upload) -> Result<()> {
        if is_id(&upload.id)
            && let Some(uploads) = workspace::find(&self.root()?, UPLOADS)?
        {
            workspace::discard_folder(&uploads, &upload.id);
            if present(open_folder(&uploads, &upload.id))?.is_some() {
                return Err(Fault::told(ErrorKind::Other, "its folder could not be removed"));
            }
        }
        Ok(())
    }

    pub(super) fn list_uploads(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<StaleUpload>> {
        let root = self.root()?;
        self.bucket(&root, bucket)?;
        let mut found = Vec::new();
        let Some(uploads) = workspace::find(&root, UPLOADS)? else { return Ok(found) };
        for entry in Dir::read_from(&uploads)? {
            let entry = entry?;
            let id = entry.file_name().to_string_lossy();
            // One that ends just now has no plan any more.
            let Some(plan) = read_plan(&uploads, &id)? else { continue };
            if plan.bucket == *bucket && plan.key.as_str().starts_with(prefix) {
                let upload = Upload { at: Address::new(plan.bucket, plan.key), id: id.into_owned() };
                found.push(StaleUpload { upload, started: Some(plan.started) });
            }
        }
        found.sort_unstable_by(|a, b| (&a.upload.at, &a.upload.id).cmp(&(&b.upload.at, &b.upload.id)));
        Ok(found)
    }

    fn open_upload(&self, upload: &Upload) -> Result<(Spot, Plan, File)> {
        let gone = || Fault::told(ErrorKind::NotFound, "there is no such upload");
        let spot = self.spot(&upload.at)?;
        let uploads = workspace::find(&spot.root, UPLOADS)?.ok_or_else(gone)?;
        let plan = read_plan(&uploads, &upload.id)?.ok_or_else(gone)?;
        if plan.bucket != upload.at.bucket || plan.key != upload.at.key {
            return Err(gone());
        }
        let folder = present(open_folder(&uploads, &upload.id))?.ok_or_else(gone)?;
        let file = workspace::open_file(&folder, BYTES, OFlags::RDWR)?.ok_or_else(gone)?;
        Ok((spot, plan, file))
    }
}

/// Makes the whole folder elsewhere first: an upload that is listed has its plan.
fn begin(uploads: &OwnedFd, temporary: &Temporary, plan: &Plan) -> Result<()> {
    let Temporary { folder, name } = temporary;
    rustix::fs::mkdirat(folder, name, rustix::fs::Mode::RWXU)?;
    let inner = open_folder(folder, name)?;
    let text = serde_json::to_vec(plan).map_err(|error| Fault::told(ErrorKind::Other, error.to_string()))?;
    let mut file = workspace::create_file(&inner, PLAN)?;
    file.write_all(&text)?;
    file.sync_all()?;
    workspace::create_file(&inner, BYTES)?;
    fsync(&inner)?;
    renameat(folder, name, uploads, name)?;
    Ok(fsync(uploads)?)
}

fn read_plan(uploads: &OwnedFd, id: &str) -> Result<Option<Plan>> {
    if !is_id(id) {
        return Ok(None);
    }
    let Some(folder) = present(open_folder(uploads, id))? else { return Ok(None) };
    let Some(mut file) = workspace::open_file(&folder, PLAN, OFlags::RDONLY)? else { return Ok(None) };
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let plan = serde_json::from_slice(&text);
    plan.map(Some).map_err(|error| Fault::told(ErrorKind::Other, format!("{PLAN} is not readable: {error}")))
}

/// Whether a text is the name of an upload, and so no way out of the folder.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The ETag of a part says where it lies, which is all that completing has to know.
fn part(number: u32, offset: u64, size: u64) -> UploadedPart {
    UploadedPart { number, etag: format!("{offset:x}-{size:x}"), size }
}

fn joined_length(parts: &[UploadedPart]) -> Result<u64> {
    let mut length = 0;
    let mut last = 0;
    for named in parts {
        if named.number <= last || *named != part(named.number, length, named.size) {
            return Err(Fault::told(ErrorKind::Other, "the parts are out of order, or do not join"));
        }
        last = named.number;
        length += named.size;
    }
    if parts.is_empty() {
        return Err(Fault::told(ErrorKind::Other, "an upload needs a part"));
    }
    Ok(length)
}

fn copy_range(from: &File, range: Range<u64>, to: &File, mut offset: u64) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        let length = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        match copy_file_range(from, Some(&mut at), to, Some(&mut offset), length) {
            Ok(copied) if copied > 0 => {}
            // Not between these two files, or not at all: byte by byte, then.
            _ => return copy_bytes(from, at..range.end, to, offset),
        }
    }
    Ok(())
}

fn copy_bytes(from: &File, range: Range<u64>, to: &File, mut offset: u64) -> Result<()> {
    let mut buffer = vec![0; COPY_BUFFER];
    let mut at = range.start;
    while at < range.end {
        let wanted = usize::try_from(range.end - at).map_or(COPY_BUFFER, |left| left.min(COPY_BUFFER));
        from.read_exact_at(&mut buffer[..wanted], at)?;
        to.write_all_at(&buffer[..wanted], offset)?;
        at += wanted as u64;
        offset += wanted as u64;
    }
    Ok(())
}
