//! Backups in a repository: they exist once published, are found again, chosen, checked, and told apart from damaged ones.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;

use bytes::Bytes;
use dcs::archive::{Codec, Format};
use dcs::model::manifest::{Artefact, ConfigComponent, FORMAT, Manifest, Origins, Part};
use dcs::model::{BackupId, BucketName, Key, Prefix, Problem, Report};
use dcs::repository::artefact::Depth;
use dcs::repository::select::Selector;
use dcs::repository::{ErrorKind, Repository, layout};
use dcs::store::Precondition;
use dcs::store::memory::MemoryStore;
use futures_util::{StreamExt, TryStreamExt, stream};

async fn repository() -> Repository {
    let (bucket, prefix) = (BucketName::new("vault").unwrap(), Prefix::new("dcs/").unwrap());
    Repository::init(Arc::new(MemoryStore::new()), bucket, prefix).await.unwrap().0
}

fn raw(chunks: &[&'static [u8]]) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
    stream::iter(chunks)
}

async fn store(repository: &Repository, path: &Key) -> Artefact {
    repository.store_artefact(path, raw(&[b"some ", b"bytes"]), Codec::default(), 2).await.unwrap()
}

/// A backup of configuration of the given day; ids sort by day.
async fn unpublished(repository: &Repository, day: u32) -> Manifest {
    let id: BackupId = format!("202611{day:02}T020000Z-config-k3x9").parse().unwrap();
    let at = format!("2026-11-{day:02}T02:00:00Z").parse().unwrap();
    let archive = store(repository, &layout::config(&id, Format::Gzip)).await;
    Manifest {
        format: FORMAT,
        kind: id.kind(),
        id,
        host: "atlas".to_owned(),
        dcs_version: "0.1.0".to_owned(),
        started_at: at,
        finished_at: at,
        note: None,
        tags: Vec::new(),
        incomplete: false,
        databases: vec![],
        files: None,
        config: Some(ConfigComponent { archive, paths: vec!["/etc/dcs".to_owned()], files: 1 }),
        captured: vec![],
        consistency: None,
        report: Report::default(),
        origins: Origins::default(),
    }
}

async fn published(repository: &Repository, day: u32) -> Manifest {
    let manifest = unpublished(repository, day).await;
    repository.publish(&manifest).await.unwrap();
    manifest
}

async fn overwrite(repository: &Repository, path: &Key, bytes: &'static [u8]) {
    repository.put(path, Bytes::from_static(bytes), Precondition::Overwrite).await.unwrap();
}

async fn remove(repository: &Repository, path: &Key) {
    repository.store.delete(&repository.address(path).unwrap()).await.unwrap();
}

fn latest(before: usize) -> Selector {
    Selector::Latest(before)
}

fn with_config(manifest: &Manifest) -> bool {
    manifest.config.is_some()
}

#[tokio::test]
async fn a_backup_is_listed_once_it_is_published_and_not_before() {
    let repository = repository().await;
    let one = published(&repository, 1).await;
    let two = unpublished(&repository, 2).await;
    let backups = repository.backups().await.unwrap();
    assert_eq!(backups.found.iter().map(|backup| &backup.id).collect::<Vec<_>>(), [&one.id]);
    assert_eq!(backups.unfinished, std::slice::from_ref(&two.id));
    assert_eq!(repository.manifest(&two.id).await.unwrap_err().kind, ErrorKind::NotFound);

    repository.publish(&two).await.unwrap();
    let backups = repository.backups().await.unwrap();
    assert_eq!(backups.found.iter().map(|backup| &backup.id).collect::<Vec<_>>(), [&two.id, &one.id]);
    assert_eq!(repository.manifest(&one.id).await.unwrap(), one);
}

#[tokio::test]
async fn publishing_again_is_no_error_and_changes_nothing() {
    let repository = repository().await;
    let manifest = published(&repository, 1).await;
    repository.publish(&manifest).await.unwrap();
    assert_eq!(repository.manifest(&manifest.id).await.unwrap(), manifest);
}

#[tokio::test]
async fn what_names_a_missing_or_short_artefact_is_not_published() {
    let repository = repository().await;
    let manifest = unpublished(&repository, 1).await;
    let path = layout::config(&manifest.id, Format::Gzip);
    overwrite(&repository, &path, b"short").await;
    let error = repository.publish(&manifest).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Damaged);
    assert!(error.to_string().contains("5 bytes instead of"), "{error}");
    remove(&repository, &path).await;
    assert!(repository.publish(&manifest).await.unwrap_err().to_string().contains("it is missing"));
    assert!(repository.backups().await.unwrap().found.is_empty());
}

#[tokio::test]
async fn a_damaged_manifest_is_told_by_name_and_does_not_hide_the_others() {
    let repository = repository().await;
    for day in 1..=5 {
        published(&repository, day).await;
    }
    let ids = repository.backup_ids().await.unwrap();
    let text = repository.get(&layout::manifest(&ids[0])).await.unwrap().unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap().replace("atlas", "ATLAS");
    repository.put(&layout::manifest(&ids[0]), text.into(), Precondition::Overwrite).await.unwrap();
    overwrite(&repository, &layout::manifest(&ids[1]), b"{\"format\": 1").await;
    overwrite(&repository, &layout::manifest(&ids[2]), b"{\"format\": 2}").await;
    remove(&repository, &layout::sums(&ids[3])).await;

    let backups = repository.backups().await.unwrap();
    let kinds: Vec<_> =
        backups.found.iter().rev().map(|backup| backup.manifest.as_ref().err().map(|e| e.kind)).collect();
    let damaged = Some(ErrorKind::Damaged);
    assert_eq!(kinds, [damaged, damaged, Some(ErrorKind::Unsupported), damaged, None]);
    for backup in backups.found.iter().filter(|backup| backup.manifest.is_err()) {
        let text = backup.manifest.as_ref().unwrap_err().to_string();
        assert!(text.contains(backup.id.as_str()), "{text}");
    }
}

#[tokio::test]
async fn latest_passes_over_what_is_not_good_and_says_so() {
    let repository = repository().await;
    let one = published(&repository, 1).await;
    let two = published(&repository, 2).await;
    let mut three = unpublished(&repository, 3).await;
    three.report.add(Problem::new("books/1", "access denied"));
    repository.publish(&three).await.unwrap();
    let mut four = unpublished(&repository, 4).await;
    four.incomplete = true;
    repository.publish(&four).await.unwrap();
    let five = published(&repository, 5).await;
    overwrite(&repository, &layout::manifest(&five.id), b"{").await;
    unpublished(&repository, 6).await;

    let selected = repository.select(&latest(0), "configuration", with_config).await.unwrap();
    assert_eq!(selected.manifest.id, two.id);
    let skipped: Vec<String> = selected.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(skipped.len(), 3);
    assert!(skipped[0].contains("damaged"), "{skipped:?}");
    assert!(skipped[1].ends_with("it is incomplete"), "{skipped:?}");
    assert!(skipped[2].ends_with("it has 1 problems, first books/1: access denied"), "{skipped:?}");
    let before = repository.select(&latest(1), "configuration", with_config).await.unwrap();
    assert_eq!(before.manifest.id, one.id);
    let error = repository.select(&latest(2), "configuration", with_config).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);

    // The operator may accept problems, not a missing part.
    for id in [&three.id, &four.id] {
        overwrite(&repository, &layout::state(id, "accepted"), b"{}").await;
    }
    let selected = repository.select(&latest(0), "configuration", with_config).await.unwrap();
    assert_eq!(selected.manifest.id, three.id);
}

#[tokio::test]
async fn a_backup_without_what_is_needed_is_never_latest_and_is_refused_by_its_id() {
    let repository = repository().await;
    let manifest = published(&repository, 1).await;
    let with_files = |manifest: &Manifest| manifest.files.is_some();
    let error = repository.select(&latest(0), "files", with_files).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().contains("0 good backups hold files"), "{error}");
    let error = repository.select(&Selector::Id(manifest.id.clone()), "files", with_files).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    let selected = repository.select(&Selector::Id(manifest.id.clone()), "configuration", with_config).await.unwrap();
    assert_eq!(selected.manifest, manifest);
}

#[tokio::test]
async fn an_artefact_reads_back_compressed_or_not_and_empty_or_not() {
    let repository = repository().await;
    let id: BackupId = "20261101T020000Z-db-k3x9".parse().unwrap();
    for path in [layout::dump(&id, "a", Format::Gzip), layout::properties(&id, "a")] {
        let artefact = store(&repository, &path).await;
        let read: Vec<Bytes> = repository.open_artefact(&artefact).try_collect().await.unwrap();
        assert_eq!(read.concat(), b"some bytes");
        assert_eq!((artefact.raw_size, artefact.parts.len()), (10, 1));
        let empty = repository.store_artefact(&path, raw(&[]), Codec::default(), 1).await.unwrap();
        let read: Vec<Bytes> = repository.open_artefact(&empty).try_collect().await.unwrap();
        assert!(read.concat().is_empty() && empty.raw_size == 0 && empty.parts.len() == 1);
    }
}

#[tokio::test]
async fn a_source_that_fails_is_the_cause_and_leaves_no_object() {
    let repository = repository().await;
    let path = layout::dump(&"20261101T020000Z-db-k3x9".parse().unwrap(), "a", Format::Gzip);
    let failing = stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("the tool ended with 1"))]);
    let error = repository.store_artefact(&path, failing, Codec::default(), 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Source);
    let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    assert!(causes.any(|cause| cause.to_string() == "the tool ended with 1"));
    assert!(repository.get(&path).await.unwrap().is_none());
}

#[tokio::test]
async fn every_damage_of_an_artefact_ends_its_stream_with_an_error() {
    let repository = repository().await;
    let path = layout::dump(&"20261101T020000Z-db-k3x9".parse().unwrap(), "a", Format::Gzip);
    let artefact = store(&repository, &path).await;
    let stored = repository.get(&path).await.unwrap().unwrap();
    let flipped = |at: usize| {
        let mut bytes = stored.to_vec();
        bytes[at] ^= 1;
        Some(bytes)
    };
    let mut damages: Vec<Option<Vec<u8>>> = (0..stored.len()).map(flipped).collect();
    damages.extend([Some(stored[1..].to_vec()), Some([&stored[..], b"x"].concat()), Some(vec![]), None]);
    for damage in damages {
        match &damage {
            Some(bytes) => repository.put(&path, bytes.clone().into(), Precondition::Overwrite).await.unwrap(),
            None => remove(&repository, &path).await,
        }
        let read: Result<Vec<Bytes>, _> = repository.open_artefact(&artefact).try_collect().await;
        assert_eq!(read.unwrap_err().kind, ErrorKind::Damaged, "{damage:?}");
        let checked = check(&repository, &artefact.parts, Depth::Checksum).await;
        assert_eq!(checked, [Some(ErrorKind::Damaged)], "{damage:?}");
        let present = damage.is_some_and(|bytes| bytes.len() == stored.len());
        let checked = check(&repository, &artefact.parts, Depth::Presence).await;
        assert_eq!(checked == [None], present);
    }
    // What is stored as the manifest says, and holds other bytes than it says.
    repository.put(&path, stored, Precondition::Overwrite).await.unwrap();
    for wrong in
        [Artefact { raw_size: 9, ..artefact.clone() }, Artefact { raw_sha256: artefact.parts[0].sha256, ..artefact }]
    {
        let read: Result<Vec<Bytes>, _> = repository.open_artefact(&wrong).try_collect().await;
        assert_eq!(read.unwrap_err().kind, ErrorKind::Damaged);
    }
}

async fn check(repository: &Repository, parts: &[Part], depth: Depth) -> Vec<Option<ErrorKind>> {
    let checks = repository.check_parts(parts.to_vec(), depth);
    checks.map(|(_, result)| result.err().map(|error| error.kind)).collect().await
}
