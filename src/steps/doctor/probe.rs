//! Tries in a bucket what backups, locks and the trash rest upon, in a folder of its own that is removed afterwards.

use std::error::Error;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use super::{Area, Finding};
use crate::model::{Attributes, BucketName, Key, Prefix, id};
use crate::steps::with_causes;
use crate::store::{
    Address, ErrorKind, GetOptions, ListOptions, Listed, ObjectStore, Precondition, Result, StoreError, md5_etag,
};

const SMALL: &[u8] = b"dcs doctor was here";
const OTHER: &[u8] = b"dcs doctor was here again";

struct Probe<'a> {
    store: &'a dyn ObjectStore,
    bucket: &'a BucketName,
    folder: String,
    subject: &'a str,
    findings: Vec<Finding>,
}

/// Tries everything; a key that may not write is no failure, and then nothing more is tried.
pub(super) async fn probe(
    store: &dyn ObjectStore,
    bucket: &BucketName,
    prefix: &Prefix,
    subject: &str,
) -> Vec<Finding> {
    let folder = format!("{prefix}.dcs/doctor/{}/", &id::random_name()[..12]);
    let mut probe = Probe { store, bucket, folder, subject, findings: Vec::new() };
    match probe.write().await {
        Ok(()) => probe.try_the_rest().await,
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::ReadOnly) => {
            let found = "the key may read and not write: enough to verify and to restore from, not to back up";
            let next = "Nothing, where this machine only restores; else give the key the right to write.";
            probe.findings.push(Finding::warning(Area::Store, subject, found, next));
            return probe.findings;
        }
        Err(error) => probe.failed("cannot be written to", &error, "Check room, and the rights of the key."),
    }
    probe.clean().await;
    probe.findings
}

impl Probe<'_> {
    fn at(&self, name: &str) -> Result<Address> {
        let key = Key::new(format!("{}{name}", self.folder));
        let key = key.map_err(|error| {
            StoreError::new(ErrorKind::Unaddressable, "address", self.folder.as_str()).with_source(error)
        });
        Ok(Address::new(self.bucket.clone(), key?))
    }

    fn ok(&mut self, found: impl Into<String>) {
        self.findings.push(Finding::ok(Area::Store, self.subject, found));
    }

    fn warning(&mut self, found: impl Into<String>, next: &str) {
        self.findings.push(Finding::warning(Area::Store, self.subject, found, next));
    }

    fn failed(&mut self, what: &str, error: &dyn Error, next: &str) {
        let found = format!("{what}: {}", with_causes(error));
        self.findings.push(Finding::failed(Area::Store, self.subject, found, next));
    }

    /// Notes what came of one attempt.
    fn note(&mut self, tried: Result<Option<&str>>, works: &str, next: &str) {
        match tried {
            Ok(None) => self.ok(works),
            Ok(Some(found)) => self.warning(found, next),
            Err(error) => self.failed(works, &error, next),
        }
    }

    async fn write(&mut self) -> Result<()> {
        let at = self.at("object")?;
        let stored = self.store.put(&at, SMALL.into(), &Attributes::default(), Precondition::Overwrite).await?;
        let is_md5 = stored.etag == md5_etag(SMALL);
        if is_md5 || !self.store.features().md5_etags {
            self.ok("can be written to");
        } else {
            let next = "Nothing for backups, which have checksums of their own; copies are proven by reading them.";
            self.warning("can be written to, but its ETags are not the MD5 of what was stored", next);
        }
        Ok(())
    }

    async fn try_the_rest(&mut self) {
        let listed = self.is_listed().await;
        let next = "Use a store that lists what was just written: locks and backups rest upon it.";
        match listed {
            Ok(true) => self.ok("lists what was just written"),
            Ok(false) => {
                let found = "does not list what was just written";
                self.findings.push(Finding::failed(Area::Store, self.subject, found, next));
            }
            Err(error) => self.failed("cannot be listed", &error, next),
        }
        let overwritten = self.overwrite().await;
        self.note(overwritten, "gives back what was written last", "Use a store that does.");
        let conditional = self.conditional().await;
        self.note(conditional, "keeps conditional writes, or says that it has none", "Nothing: dcs does without.");
        let copied = self.copy().await;
        self.note(copied, "copies objects by itself", "Without it the trash cannot work: check the rights of the key.");
        let tagged = self.tag().await;
        self.note(tagged, "keeps tags and metadata", "Nothing, where the application uses neither.");
        let uploaded = self.upload().await;
        self.note(uploaded, "takes uploads in parts", "Large objects need it: check the rights of the key.");
        match self.store.bucket_settings(self.bucket).await {
            Ok(settings) if settings.get("versioning").is_some_and(|state| state == "Enabled") => {
                self.ok("keeps old versions; a lifecycle rule of the store must end them");
            }
            Ok(_) => self.ok("keeps no old versions"),
            Err(error) => self.warning(
                format!("its settings cannot be read: {}", with_causes(&error)),
                "Give the key the right to read the settings of buckets: backups hold them.",
            ),
        }
    }

    async fn is_listed(&self) -> Result<bool> {
        let wanted = self.at("object")?;
        let options = ListOptions { prefix: self.folder.clone(), ..ListOptions::default() };
        let mut listing = self.store.list(self.bucket, options);
        while let Some(listed) = listing.next().await {
            if matches!(listed?, Listed::Object(info) if info.key == wanted.key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn read(&self, name: &str) -> Result<Vec<u8>> {
        let object = self.store.get(&self.at(name)?, GetOptions::default()).await?;
        object
            .body
            .try_fold(Vec::new(), |mut all, bytes| async move {
                all.extend_from_slice(&bytes);
                Ok(all)
            })
            .await
    }

    async fn overwrite(&self) -> Result<Option<&'static str>> {
        let at = self.at("object")?;
        self.store.put(&at, OTHER.into(), &Attributes::default(), Precondition::Overwrite).await?;
        Ok((self.read("object").await? != OTHER).then_some("gives back what was written before"))
    }

    async fn conditional(&self) -> Result<Option<&'static str>> {
        if !self.store.features().conditional_put {
            return Ok(None);
        }
        let at = self.at("object")?;
        match self.store.put(&at, SMALL.into(), &Attributes::default(), Precondition::CreateNew).await {
            Ok(_) => Ok(Some("ignores conditions of writes")),
            Err(error) if matches!(error.kind, ErrorKind::Precondition | ErrorKind::Unsupported) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn copy(&self) -> Result<Option<&'static str>> {
        self.store.copy(&self.at("object")?, &self.at("copy")?, None).await?;
        let same = self.read("copy").await? == self.read("object").await?;
        Ok((!same).then_some("copies something else than what is there"))
    }

    async fn tag(&self) -> Result<Option<&'static str>> {
        let mut attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
        attributes.user.insert("dcs".to_owned(), "doctor".to_owned());
        attributes.tags.insert("dcs".to_owned(), "doctor".to_owned());
        let at = self.at("tagged")?;
        match self.store.put(&at, SMALL.into(), &attributes, Precondition::Overwrite).await {
            Err(error) if matches!(error.kind, ErrorKind::Unsupported | ErrorKind::Denied) => {
                return Ok(Some("takes no tags"));
            }
            other => drop(other?),
        }
        let found = self.store.head(&at).await?.attributes;
        let is_kept = found.user == attributes.user && found.tags == attributes.tags;
        Ok((!is_kept).then_some("loses tags or metadata of objects"))
    }

    /// Two parts, the first as small as the store says that it may be.
    async fn upload(&self) -> Result<Option<&'static str>> {
        let at = self.at("parts")?;
        let first = Bytes::from(vec![b'x'; usize::try_from(self.store.features().smallest_part).unwrap_or(1)]);
        let upload = self.store.create_upload(&at, &Attributes::default()).await?;
        let parts = async {
            let one = self.store.upload_part(&upload, 1, 0, first.clone()).await?;
            let two = self.store.upload_part(&upload, 2, first.len() as u64, SMALL.into()).await?;
            self.store.complete_upload(&upload, &[one, two]).await
        };
        if let Err(error) = parts.await {
            // What cannot be completed may not be abortable either; the store's own rule ends it.
            self.store.abort_upload(&upload).await.ok();
            return Err(error);
        }
        let is_whole = self.store.head(&at).await?.size == (first.len() + SMALL.len()) as u64;
        Ok((!is_whole).then_some("makes something else of the parts of an upload"))
    }

    /// Removes all that was written, with its versions.
    async fn clean(&mut self) {
        if let Err(error) = self.try_clean().await {
            let what = format!("what was tried in {} could not be removed", self.folder);
            let next = "Give the key the right to delete, or remove the folder by hand.";
            let found = format!("{what}: {}", with_causes(&error));
            self.warning(found, next);
        }
    }

    async fn try_clean(&self) -> Result<()> {
        for name in ["object", "copy", "tagged", "parts"] {
            self.store.delete(&self.at(name)?).await?;
        }
        if !self.store.features().versions {
            return Ok(());
        }
        let mut versions = self.store.versions(self.bucket, self.folder.clone());
        while let Some(version) = versions.next().await {
            match version {
                Ok(version) => {
                    let at = Address::new(self.bucket.clone(), version.info.key.clone());
                    self.store.delete_version(&at, &version.id).await?;
                }
                Err(error) if error.kind == ErrorKind::Unsupported => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
