//! Packs that go bad, and what may be missing for it.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use dcs::archive::sha256;
use dcs::model::{Digest, IndexRow, Key, Manifest, SourceName};
use dcs::repository::index::read_index;
use dcs::repository::{Repository, layout};
use dcs::store::Precondition;
use futures_util::TryStreamExt;

use crate::history::Random;
use crate::world::World;

/// What lies, or lay, in packs that are damaged and was not stored again since: by pack and content.
#[derive(Default)]
pub struct Lost(BTreeSet<(String, Digest)>);

pub async fn rows(repository: &Repository, manifest: &Manifest) -> Vec<IndexRow> {
    let segments = manifest.files.as_ref().unwrap().segments.clone();
    read_index(repository, segments).try_collect().await.unwrap()
}

impl Lost {
    /// Whether an object of a backup may be missing.
    pub fn may_lack(&self, row: &IndexRow) -> bool {
        row.pieces.iter().any(|piece| self.0.contains(&(piece.pack.clone(), row.sha256)))
    }

    /// Damages one pack that a listed backup names, and says so as a verification does where a listing cannot show it.
    pub async fn damage(&mut self, world: &World, random: &mut Random) -> String {
        let repository = world.sound().await.repository;
        // In the order of the rows, which is the same for the same seed: packs have random names.
        let mut named: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for manifest in world.backups().await {
            for row in rows(&repository, &manifest).await {
                for piece in row.pieces.iter().filter(|piece| !named.contains(&piece.pack)).collect::<Vec<_>>() {
                    named.push(piece.pack.clone());
                }
                all.push(row);
            }
        }
        let Some(pack) = random.of(&named).cloned() else { return "no pack to damage".to_owned() };
        let path = layout::pack(&pack);
        let Some(bytes) = repository.get(&path).await.unwrap() else { return format!("pack {pack} is gone already") };
        let what = match random.below(3) {
            0 => {
                repository.remove(&path).await.unwrap();
                "is removed"
            }
            1 => {
                let length = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                repository.put(&path, bytes.slice(..length), Precondition::Overwrite).await.unwrap();
                "is cut"
            }
            _ => {
                let mut bytes = bytes.to_vec();
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                bytes[at] ^= 1 << random.below(8);
                repository.put(&path, bytes.into(), Precondition::Overwrite).await.unwrap();
                let mark = layout::replacements(&pack, "found");
                repository.put(&mark, "".into(), Precondition::Overwrite).await.unwrap();
                "has a flipped bit"
            }
        };
        let lies_in = |row: &&IndexRow| row.pieces.iter().any(|piece| piece.pack == pack);
        self.0.extend(all.iter().filter(lies_in).map(|row| (pack.clone(), row.sha256)));
        self.lose_replacements(world, &repository, &pack).await;
        format!("pack {pack} {what}")
    }

    /// What was stored again in this pack, in place of what another held, is lost once more.
    async fn lose_replacements(&mut self, world: &World, repository: &Repository, pack: &str) {
        for name in world.names(layout::DAMAGED).await {
            let text = repository.get(&Key::new(name.clone()).unwrap()).await.unwrap().unwrap();
            let first = name.split('/').nth(1).unwrap().to_owned();
            for line in String::from_utf8(text.to_vec()).unwrap().lines() {
                let fields: Vec<&str> = line.split('\t').collect();
                if fields[2].contains(pack) {
                    self.0.insert((first.clone(), fields[0].parse().unwrap()));
                    self.0.insert((pack.to_owned(), fields[0].parse().unwrap()));
                }
            }
        }
    }

    /// A backup stored again what its parent had in damaged packs and what is live in its old place: that is whole again in
    /// every backup.
    pub async fn heal(&mut self, world: &World, made: &Manifest) {
        if self.0.is_empty() {
            return;
        }
        let repository = world.sound().await.repository;
        let now: BTreeSet<(SourceName, Key, Digest)> =
            rows(&repository, made).await.into_iter().map(|row| (row.source, row.key, row.sha256)).collect();
        let parent = made.files.as_ref().unwrap().parent.clone();
        let parent = world.backups().await.into_iter().find(|manifest| Some(&manifest.id) == parent.as_ref());
        let Some(parent) = parent else { return };
        for row in rows(&repository, &parent).await {
            if now.contains(&(row.source.clone(), row.key.clone(), row.sha256)) {
                for piece in &row.pieces {
                    self.0.remove(&(piece.pack.clone(), row.sha256));
                }
            }
        }
        // What the new backup itself names is as good as what it read.
        assert!(!self.0.iter().any(|(_, digest)| *digest == sha256(b"")), "what is empty lies nowhere");
    }
}
