//! What damage of packs costs: the objects that lie in it, and nothing else.

use std::collections::BTreeMap;

use bytes::Bytes;
use dcs::archive::Codec;
use dcs::model::{IndexRow, Manifest, Prefix};
use dcs::repository::damage::Replacement;
use dcs::repository::index::read_index;
use dcs::repository::pack::{NewObject, PackOptions, PackWriter, prepare_small};
use dcs::repository::{Repository, layout};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::small_system::{COVER, COVER_CHANGED, GONE, LARGE, Live, System, read};
use super::{put, support};

async fn rows(repository: &Repository, manifest: &Manifest) -> Vec<IndexRow> {
    read_index(repository, manifest.files.as_ref().unwrap().segments.clone()).try_collect().await.unwrap()
}

async fn row(repository: &Repository, manifest: &Manifest, key: &str) -> IndexRow {
    rows(repository, manifest).await.into_iter().find(|row| row.key.as_str() == key).unwrap()
}

/// A byte of the content of an object, in its pack.
pub(super) async fn middle_of(repository: &Repository, manifest: &Manifest, key: &str) -> usize {
    let piece = row(repository, manifest, key).await.pieces.remove(0);
    usize::try_from(piece.offset + piece.length / 2).unwrap()
}

struct Damaged {
    system: System,
    repository: Repository,
    manifest: Manifest,
    /// The bucket of books when the backup was made.
    sound: Live,
}

impl Damaged {
    /// A system with a backup, changed since.
    async fn begin() -> Self {
        let system = System::embedded().await;
        system.add_large().await;
        let id = system.make_backup();
        let repository =
            Repository::open(system.vault.clone(), system.buckets.backups.clone(), Prefix::root()).await.unwrap();
        let manifest = repository.manifest(&id).await.unwrap();
        let sound = system.contents(&system.buckets.books).await;
        system.change().await;
        Self { system, repository, manifest, sound }
    }

    fn id(&self) -> &str {
        self.manifest.id.as_str()
    }

    /// The pack that holds an object.
    async fn pack_of(&self, key: &str) -> String {
        row(&self.repository, &self.manifest, key).await.pieces.remove(0).pack
    }

    async fn flip(&self, key: &str) {
        let pack = layout::pack(&self.pack_of(key).await);
        let mut bytes = read(&self.system.vault, &self.system.buckets.backups, pack.as_str()).await;
        bytes[middle_of(&self.repository, &self.manifest, key).await] ^= 1;
        put(&self.system, pack.as_str(), bytes).await;
    }

    async fn remove_pack_of(&self, key: &str) {
        let pack = layout::pack(&self.pack_of(key).await);
        self.system.vault.delete(&support::at(&self.system.buckets.backups, pack.as_str())).await.unwrap();
    }

    /// Stores objects again, as a later backup does, and writes down where.
    async fn store_again(&self, keys: &[&str]) {
        let mut writer = PackWriter::new(self.repository.clone(), PackOptions::default());
        let mut old = BTreeMap::new();
        for key in keys {
            let row = row(&self.repository, &self.manifest, key).await;
            let IndexRow { source, key, size, etag, modified, attributes, pieces, .. } = row;
            let content = self.sound[&format!("{}/{key}", source.bucket())].clone();
            old.insert(key.clone(), pieces[0].pack.clone());
            let object = NewObject { source, key, size, etag, modified, attributes };
            let body = stream::iter([Ok(Bytes::from(content))]).boxed();
            if size > 4 << 20 {
                writer.add_stream(object, body).await.unwrap();
            } else {
                writer.add(prepare_small(object, body, Codec::default()).await.unwrap()).await.unwrap();
            }
        }
        for row in writer.finish().await.unwrap().rows {
            let list = layout::replacements(&old[&row.key], &format!("run-{}", row.sha256));
            let line = Replacement { sha256: row.sha256, size: row.size, pieces: row.pieces };
            put(&self.system, list.as_str(), format!("{line}\n").into_bytes()).await;
        }
    }

    async fn books(&self) -> Live {
        self.system.contents(&self.system.buckets.books).await
    }

    /// The bucket of books as it was, but for some keys, which are as they are now.
    async fn sound_but_for(&self, keys: &[&str]) -> Live {
        let (mut expected, now) = (self.sound.clone(), self.books().await);
        for key in keys {
            let name = format!("books/{key}");
            match now.get(&name) {
                Some(content) => expected.insert(name, content.clone()),
                None => expected.remove(&name),
            };
        }
        expected
    }

    async fn trash(&self) -> Live {
        self.system.contents(&self.system.buckets.trash).await
    }
}

#[tokio::test]
async fn one_flipped_bit_costs_one_object_and_what_is_live_in_its_place_stays() {
    for victim in [COVER, GONE, LARGE] {
        let damaged = Damaged::begin().await;
        let Damaged { system, .. } = &damaged;
        if victim == LARGE {
            let at = support::at(&system.buckets.books, LARGE);
            let newer = Bytes::from_static(b"another large one");
            system.live.put(&at, newer, &super::Attributes::default(), super::Precondition::Overwrite).await.unwrap();
        }
        let before = damaged.books().await;
        damaged.flip(victim).await;
        let ran = system.run(&["restore-files", damaged.id(), "--yes"]);
        assert_eq!(ran.code, 4, "{}", ran.text());
        assert!(ran.stderr.contains("1 object of") && ran.stderr.contains("hint: "), "{}", ran.text());
        let told = format!("live/books/{victim}");
        assert!(ran.stderr.contains(&told), "{told}: {}", ran.text());
        let name = format!("books/{victim}");
        assert_eq!(damaged.books().await.get(&name), before.get(&name), "what is live is as it was");
        assert_eq!(damaged.books().await, damaged.sound_but_for(&[victim]).await, "and all the rest is back");
        let kept = damaged.trash().await;
        assert!(!kept.keys().any(|key| key.ends_with(victim)), "{victim} was not replaced: {:?}", kept.keys());

        let verified = system.run(&["verify", damaged.id(), "--level", "contents"]);
        assert_eq!(verified.code, 4, "{}", verified.text());
        assert!(verified.stdout.contains(victim), "{}", verified.text());
        let named = |key: &str| verified.stdout.contains(key);
        assert_eq!([COVER, GONE, LARGE].iter().filter(|key| named(key)).count(), 1, "{}", verified.text());

        // Stored again by a later backup, it is whole again.
        damaged.store_again(&[victim]).await;
        system.succeed(&["verify", damaged.id(), "--level", "contents"]);
        system.succeed(&["restore-files", damaged.id(), "--yes"]);
        assert_eq!(damaged.books().await, damaged.sound);
    }
}

#[tokio::test]
async fn a_missing_or_short_pack_is_refused_unless_it_is_to_be_passed_over() {
    let damaged = Damaged::begin().await;
    let Damaged { system, .. } = &damaged;
    let before = system.everything().await;
    damaged.remove_pack_of(COVER).await;
    let listed = system.run(&["verify", damaged.id(), "--level", "presence"]);
    assert_eq!(listed.code, 4, "{}", listed.text());
    let marks = support::keys_below(&*system.vault, &system.buckets.backups, "damaged/").await;
    assert_eq!(marks.len(), 1, "verify writes the damage down: {marks:?}");
    for command in ["restore-files", "restore-complete"] {
        for arguments in [&[command, damaged.id(), "--yes"][..], &[command, damaged.id(), "--dry-run"]] {
            let ran = system.run(arguments);
            assert_eq!(ran.code, 4, "{}", ran.text());
            assert!(ran.stderr.contains("--skip-damaged"), "{}", ran.text());
            assert!(ran.stderr.contains("3 objects"), "the same ones are not needed: {}", ran.text());
        }
    }
    assert_eq!(system.everything().await, before);

    // What was stored again is found; of the rest, one object is missed.
    damaged.store_again(&[COVER, LARGE]).await;
    let ran = system.run(&["restore-files", damaged.id(), "--yes"]);
    assert_eq!(ran.code, 4, "{}", ran.text());
    assert!(ran.stderr.contains("1 object"), "{}", ran.text());
    assert_eq!(system.everything().await, before);
    let ran = system.run(&["restore-files", damaged.id(), "--yes", "--skip-damaged"]);
    assert_eq!(ran.code, 4, "{}", ran.text());
    assert!(ran.stderr.contains(&format!("live/books/{GONE}")), "{}", ran.text());
    assert_eq!(damaged.books().await, damaged.sound_but_for(&[GONE]).await);
    assert!(damaged.trash().await.keys().any(|key| key.ends_with(COVER)), "what was replaced is kept");
}

#[tokio::test]
async fn databases_stay_where_files_turn_out_to_be_damaged() {
    let damaged = Damaged::begin().await;
    let Damaged { system, .. } = &damaged;
    let rows = system.rows().await;
    damaged.flip(COVER).await;
    let ran = system.run(&["restore-complete", damaged.id(), "--yes"]);
    assert_eq!(ran.code, 4, "{}", ran.text());
    let command = format!("dcs restore-complete {} --skip-damaged", damaged.id());
    assert!(ran.stderr.contains("dream not restored") && ran.stderr.contains(&command), "{}", ran.text());
    assert_eq!(system.rows().await, rows);
    assert_eq!(damaged.books().await, damaged.sound_but_for(&[COVER]).await);
    assert_eq!(damaged.books().await[&format!("books/{COVER}")], COVER_CHANGED);

    let ran = system.run(&["restore-complete", damaged.id(), "--yes", "--skip-damaged"]);
    assert_eq!(ran.code, 4, "{}", ran.text());
    assert!(system.rows().await.contains("forty-two"), "{}", system.rows().await);
}

#[tokio::test]
async fn a_damaged_index_is_refused_and_what_is_left_of_it_is_restored_when_asked_for() {
    let damaged = Damaged::begin().await;
    let Damaged { system, manifest, .. } = &damaged;
    let segment = &manifest.files.as_ref().unwrap().segments[0].part.path;
    let mut bytes = read(&system.vault, &system.buckets.backups, segment.as_str()).await;
    bytes[20] ^= 1;
    put(system, segment.as_str(), bytes).await;
    let before = system.everything().await;
    let ran = system.run(&["restore-files", damaged.id(), "--yes"]);
    assert_eq!(ran.code, 4, "{}", ran.text());
    assert!(ran.stderr.contains("--skip-damaged") && ran.stderr.contains(segment.as_str()), "{}", ran.text());
    let ran = system.run(&["restore-files", damaged.id(), "--yes", "--skip-damaged"]);
    assert_eq!(ran.code, 4, "it is never green: {}", ran.text());
    assert!(ran.stderr.contains(segment.as_str()), "{}", ran.text());
    assert_eq!(system.everything().await, before, "no other segment names anything");
}

#[tokio::test]
async fn a_backup_that_verify_found_damaged_is_healed_by_the_next_one() {
    let damaged = Damaged::begin().await;
    let Damaged { system, .. } = &damaged;
    system.seed().await;
    system.add_large().await;
    damaged.flip(LARGE).await;
    let found = system.run(&["verify", damaged.id()]);
    assert_eq!(found.code, 4, "{}", found.text());
    let newer = system.make_backup();
    system.succeed(&["verify", newer.as_str(), "--level", "contents"]);
    let healed = system.succeed(&["verify", damaged.id(), "--level", "contents"]);
    assert!(healed.stdout.contains("ok"), "{}", healed.text());
    system.change().await;
    system.succeed(&["restore-files", damaged.id(), "--yes"]);
    assert_eq!(damaged.books().await, damaged.sound);

    // Gone altogether, it is as good.
    damaged.remove_pack_of(LARGE).await;
    system.change().await;
    system.succeed(&["restore-complete", damaged.id(), "--yes"]);
    assert_eq!(damaged.books().await, damaged.sound);
    let printed = system.succeed(&["backup", "cat", damaged.id(), &format!("live/books/{COVER}")]);
    assert_eq!(printed.stdout, "the cover");
}
