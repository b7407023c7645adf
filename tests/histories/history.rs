//! One history: what is live, what each backup should hold, and what may happen next.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dcs::model::{BackupId, BucketName};
use dcs::store::{ErrorKind, ObjectStore};
use tempfile::TempDir;

use crate::damage::Lost;
use crate::support;
use crate::support::faulty::{FaultyStore, When};
use crate::world::{NO_GRACE, World};

/// Objects by bucket and key: `books/k1`.
pub type State = BTreeMap<String, Vec<u8>>;

/// Keys of a bucket; few, so that they are met again.
const KEYS: u64 = 12;
/// Writes of a failing run of which one is chosen.
const WRITES: u64 = 24;

/// Numbers that are the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(all.len()).unwrap().max(1));
        all.get(usize::try_from(index).unwrap())
    }
}

pub struct History {
    pub world: World,
    pub folder: TempDir,
    pub random: Random,
    pub live: State,
    /// What every listed backup should hold.
    pub expected: BTreeMap<BackupId, State>,
    pub lost: Lost,
    pub with_damage: bool,
    pub seed: u64,
    /// What happened, to be told where it goes wrong.
    pub told: Vec<String>,
}

impl History {
    pub async fn begin(seed: u64, with_damage: bool) -> Self {
        let mut history = Self {
            world: World::new().await,
            folder: support::folder(),
            random: Random::new(seed),
            live: State::new(),
            expected: BTreeMap::new(),
            lost: Lost::default(),
            with_damage,
            seed,
            told: Vec::new(),
        };
        for _ in 0..8 {
            history.put().await;
        }
        history.back_up().await;
        history
    }

    /// The seed and what happened.
    pub fn story(&self) -> String {
        format!("DCS_TEST_SEED={}, damage: {}\n{}", self.seed, self.with_damage, self.told.join("\n"))
    }

    pub fn tell(&mut self, text: impl Into<String>) {
        self.told.push(text.into());
    }

    /// Lets one thing happen.
    pub async fn step(&mut self) {
        match self.random.below(20) {
            0..=5 => self.put().await,
            6..=7 => self.remove().await,
            8..=9 => self.exchange().await,
            10..=12 => self.back_up().await,
            13 => self.back_up_in_vain().await,
            14 => self.interrupted().await,
            15..=16 => self.delete_backup().await,
            17..=18 => self.prune().await,
            _ if self.with_damage => self.damage().await,
            _ => self.put().await,
        }
    }

    fn bucket(&self, place: &str) -> (&BucketName, String) {
        let (bucket, key) = place.split_once('/').unwrap();
        (if bucket == "books" { &self.world.books } else { &self.world.apps }, key.to_owned())
    }

    fn place(&mut self) -> String {
        let bucket = if self.random.below(2) == 0 { "books" } else { "apps" };
        format!("{bucket}/folder-{}/k{}", self.random.below(2), self.random.below(KEYS))
    }

    /// Some contents are alike.
    fn content(&mut self) -> Vec<u8> {
        let size = match self.random.below(10) {
            0 => 0,
            1..=7 => self.random.below(3000),
            8 => self.random.below(30_000),
            _ => 100_000 + self.random.below(100_000),
        };
        let kind = self.random.below(40);
        let mut noise = Random::new(kind);
        (0..size).map(|n| if kind < 10 { b'a' } else { u8::try_from((noise.below(256) + n) % 256).unwrap() }).collect()
    }

    async fn put(&mut self) {
        let (place, content) = (self.place(), self.content());
        self.tell(format!("put {place}: {} bytes", content.len()));
        let (bucket, key) = self.bucket(&place);
        self.world.put_in(bucket, &key, &content).await;
        self.live.insert(place, content);
    }

    fn any_live(&mut self) -> Option<String> {
        let places: Vec<String> = self.live.keys().cloned().collect();
        self.random.of(&places).cloned()
    }

    async fn remove(&mut self) {
        let Some(place) = self.any_live() else { return };
        self.tell(format!("remove {place}"));
        let (bucket, key) = self.bucket(&place);
        self.world.live.delete(&support::at(bucket, &key)).await.unwrap();
        self.live.remove(&place);
    }

    /// Moves an object to the other bucket.
    async fn exchange(&mut self) {
        let Some(place) = self.any_live() else { return };
        let to = match place.strip_prefix("books") {
            Some(rest) => format!("apps{rest}"),
            None => place.replacen("apps", "books", 1),
        };
        self.tell(format!("move {place} to {to}"));
        let (from, key) = self.bucket(&place);
        let (other, _) = self.bucket(&to);
        let (from, other) = (support::at(from, &key), support::at(other, &key));
        self.world.live.copy(&from, &other, None).await.unwrap();
        self.world.live.delete(&from).await.unwrap();
        let content = self.live.remove(&place).unwrap();
        self.live.insert(to, content);
    }

    pub async fn back_up(&mut self) {
        let made = self.world.back_up_through(self.world.store()).await;
        let manifest = made.unwrap_or_else(|error| panic!("{}\nbackup: {error}", self.story()));
        self.tell(format!("backup {}", manifest.id));
        assert!(manifest.is_good(), "{}\n{:?}", self.story(), manifest.report);
        self.expected.insert(manifest.id.clone(), self.live.clone());
        let mut lost = std::mem::take(&mut self.lost);
        lost.heal(&self.world, &manifest).await;
        self.lost = lost;
    }

    /// A backup that dies at one of its writes.
    async fn back_up_in_vain(&mut self) {
        let nth = usize::try_from(self.random.below(WRITES)).unwrap() + 1;
        let when = if self.random.below(2) == 0 { When::Before } else { When::After };
        let vault = FaultyStore::from_nth(self.world.store(), nth, when, ErrorKind::Denied);
        let result = self.world.back_up_killed(vault as Arc<dyn ObjectStore>).await;
        self.tell(format!("a backup dies {when:?} its write {nth}: {:?}", result.map(|manifest| manifest.id).ok()));
        self.look_for_new().await;
    }

    /// A run that died after a pack was stored and noted.
    async fn interrupted(&mut self) {
        let (place, content) = (self.place(), self.content());
        if content.is_empty() || !place.starts_with("books/") {
            return;
        }
        let (_, key) = self.bucket(&place);
        let (id, _) = self.world.interrupted_backup_of(&key, &content).await;
        self.tell(format!("put {place}: {} bytes, and {id} dies with it stored", content.len()));
        self.live.insert(place, content);
    }

    /// A run that failed may have made its backup all the same: it died right after.
    async fn look_for_new(&mut self) {
        let new: Vec<_> = self.world.backups().await;
        for manifest in new.into_iter().filter(|manifest| !self.expected.contains_key(&manifest.id)).collect::<Vec<_>>()
        {
            self.tell(format!("which is there: {}", manifest.id));
            self.expected.insert(manifest.id.clone(), self.live.clone());
            let mut lost = std::mem::take(&mut self.lost);
            lost.heal(&self.world, &manifest).await;
            self.lost = lost;
        }
    }

    async fn delete_backup(&mut self) {
        let ids: Vec<BackupId> = self.expected.keys().cloned().collect();
        let Some(id) = self.random.of(&ids).cloned() else { return };
        self.tell(format!("delete {id}"));
        self.world.delete(&id).await;
        self.expected.remove(&id);
    }

    async fn prune(&mut self) {
        let pruned = self.world.prune_through(self.world.store(), NO_GRACE).await;
        let pruned = pruned.unwrap_or_else(|error| panic!("{}\nprune: {error}", self.story()));
        assert!(pruned.waits_for.is_empty() && pruned.report.is_clean(), "{}\n{pruned:?}", self.story());
        self.tell(format!("prune: {pruned}, {} unfinished, {} sparse", pruned.leftovers.len(), pruned.sparse_packs));
    }

    async fn damage(&mut self) {
        let mut lost = std::mem::take(&mut self.lost);
        let told = lost.damage(&self.world, &mut self.random).await;
        self.lost = lost;
        self.tell(told);
    }

    /// Compares every listed backup with what it should be, by dcs and by standard tools.
    pub async fn look(&mut self) {
        let listed: BTreeSet<BackupId> = self.world.backups().await.into_iter().map(|manifest| manifest.id).collect();
        assert_eq!(listed, self.expected.keys().cloned().collect(), "{}", self.story());
        self.restore_all().await;
    }
}
