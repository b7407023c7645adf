//! Buckets of a live system, filled with what is hard to keep, and everything that can be seen of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcs::archive;
use dcs::model::{Attributes, BucketName, Secret};
use dcs::store::s3::{S3Options, S3Store};
use dcs::store::transfer::{self, TransferOptions};
use dcs::store::{GetOptions, ObjectStore, Precondition};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::support::{self, S3Env};

/// What a key leads to: content and everything beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub sha256: String,
    pub size: u64,
    pub attributes: String,
}

pub type Objects = BTreeMap<String, Found>;

/// A store and the two buckets that a test uses in it.
pub enum Live {
    Directory { root: PathBuf, buckets: [BucketName; 2] },
    S3 { env: S3Env, store: Arc<S3Store>, buckets: [BucketName; 2] },
}

/// One object to make.
struct Seed {
    bucket: usize,
    key: String,
    content: Vec<u8>,
    attributes: Attributes,
}

const HOSTILE: [&str; 14] = [
    "with space/and more .txt",
    "plus+and%percent%2B.txt",
    "Ümläute/ñandú.txt",
    "emoji 📚/🐉.bin",
    "a-b",
    "a/b",
    "a.b",
    "quotes\"'`$(x)&<>;|.txt",
    "back\\slash",
    "question?mark#hash=1&x",
    " leading and trailing ",
    "-rf",
    "~tilde/*star?/[brackets]{braces}",
    "new\nline\tand tab",
];

/// Keys that only an object store holds as they are.
const UNUSUAL: [&str; 5] = ["double//slash", "dots/../up", "./dot", "trailing/", "folder-and/object"];

fn seeds(large: bool) -> Vec<Seed> {
    let plain =
        |bucket, key: &str, content| Seed { bucket, key: key.to_owned(), content, attributes: Attributes::default() };
    let mut seeds: Vec<Seed> = HOSTILE.iter().map(|key| plain(0, key, key.as_bytes().to_vec())).collect();
    seeds.push(plain(0, "empty", Vec::new()));
    seeds.push(plain(0, "7/middle.bin", support::noise(5 << 20)));
    seeds.push(plain(0, &format!("long/{}", "x".repeat(200)), b"long".to_vec()));
    for number in 0..300 {
        seeds.push(plain(
            1,
            &format!("{}/page-{number:03}.html", number % 7),
            format!("<p>{number}").repeat(40).into(),
        ));
    }
    if large {
        seeds.push(plain(1, "large/film.bin", support::noise(70_000_000)));
    }
    seeds
}

/// What only an object store has: headers, user metadata, keys that are no file names.
fn unusual_seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    for key in UNUSUAL {
        let attributes = Attributes::default();
        seeds.push(Seed { bucket: 0, key: key.to_owned(), content: key.as_bytes().to_vec(), attributes });
    }
    let text = |text: &str| Some(text.to_owned());
    let user = [("title", "two  spaces and  more"), ("isbn", "978-3"), ("empty-ish", "-")];
    let attributes = Attributes {
        content_type: text("text/html; charset=utf-8"),
        cache_control: text("public, max-age=31536000"),
        content_disposition: text("attachment; filename=\"a b.html\""),
        content_encoding: text("identity"),
        content_language: text("de"),
        user: user.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Attributes::default()
    };
    seeds.push(Seed { bucket: 0, key: "with-headers.html".to_owned(), content: b"<p>headers".to_vec(), attributes });
    seeds
}

impl Live {
    pub fn directory(root: &Path, large: bool) -> Self {
        let buckets = ["books", "apps"].map(support::bucket);
        for bucket in &buckets {
            fs::create_dir_all(root.join(bucket.as_str())).unwrap();
        }
        fs::create_dir_all(root.join("trash")).unwrap();
        for seed in seeds(large) {
            let path = root.join(buckets[seed.bucket].as_str()).join(&seed.key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, seed.content).unwrap();
        }
        let books = root.join("books");
        fs::set_permissions(books.join("a-b"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(books.join("empty"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("a/b", books.join("link")).unwrap();
        symlink("/nowhere at all", books.join("dangling")).unwrap();
        fs::create_dir_all(books.join("an empty folder")).unwrap();
        Self::Directory { root: root.to_owned(), buckets }
    }

    /// Makes the two buckets, and one beside them for the trash.
    pub async fn s3(env: S3Env, large: bool) -> Self {
        let secret = Secret::new(env.secret_key.clone());
        let options = S3Options::new(&env.endpoint, &env.region).keys(&env.access_key, secret);
        let store = S3Store::open(options).unwrap();
        let buckets = ["e2e-books", "e2e-apps"].map(support::unique_bucket);
        for bucket in &buckets {
            store.create_bucket(bucket).await.unwrap();
        }
        let live = Self::S3 { env, store, buckets };
        let all = seeds(large).into_iter().chain(unusual_seeds());
        stream::iter(all)
            .for_each_concurrent(8, |seed| {
                let live = &live;
                async move { live.put(seed.bucket, &seed.key, seed.content, seed.attributes).await }
            })
            .await;
        live
    }

    pub fn buckets(&self) -> &[BucketName; 2] {
        let (Self::Directory { buckets, .. } | Self::S3 { buckets, .. }) = self;
        buckets
    }

    async fn put(&self, bucket: usize, key: &str, content: Vec<u8>, attributes: Attributes) {
        match self {
            Self::Directory { root, buckets } => {
                let path = root.join(buckets[bucket].as_str()).join(key);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Self::S3 { store, buckets, .. } => {
                let at = support::at(&buckets[bucket], key);
                let store: Arc<dyn ObjectStore> = store.clone();
                let chunks = content.chunks(1 << 20).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec().into()));
                let body = stream::iter(chunks.collect::<Vec<_>>());
                let options = TransferOptions::default();
                transfer::upload(&store, &at, body, &attributes, Precondition::Overwrite, &options).await.unwrap();
            }
        }
    }

    /// Writes an object without headers.
    pub async fn write(&self, bucket: usize, key: &str, content: &str) {
        self.put(bucket, key, content.as_bytes().to_vec(), Attributes::default()).await;
    }

    /// Writes an object whole or not at all, as applications do while a backup reads.
    pub async fn append(&self, bucket: usize, key: &str, content: &str) {
        let Self::Directory { root, buckets } = self else { return self.write(bucket, key, content).await };
        let path = root.join(buckets[bucket].as_str()).join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let temporary = root.with_file_name("being written");
        fs::write(&temporary, content).unwrap();
        fs::rename(temporary, path).unwrap();
    }

    pub async fn delete(&self, bucket: usize, key: &str) {
        match self {
            Self::Directory { root, buckets } => {
                fs::remove_file(root.join(buckets[bucket].as_str()).join(key)).unwrap();
            }
            Self::S3 { store, buckets, .. } => store.delete(&support::at(&buckets[bucket], key)).await.unwrap(),
        }
    }

    /// Makes one of the buckets anew, empty.
    pub async fn make_bucket(&self, bucket: usize) {
        match self {
            Self::Directory { root, buckets } => fs::create_dir(root.join(buckets[bucket].as_str())).unwrap(),
            Self::S3 { store, buckets, .. } => store.create_bucket(&buckets[bucket]).await.unwrap(),
        }
    }

    /// Everything that is in the buckets, by `BUCKET NUMBER/KEY`.
    pub async fn objects(&self) -> Objects {
        let mut objects = Objects::new();
        for (number, bucket) in self.buckets().iter().enumerate() {
            let found = match self {
                Self::Directory { root, .. } => files(&root.join(bucket.as_str())),
                Self::S3 { store, .. } => read_all(store.as_ref(), bucket).await,
            };
            objects.extend(found.into_iter().map(|(key, found)| (format!("{number}/{key}"), found)));
        }
        objects
    }

    /// Removes the two buckets with all that is in them.
    pub async fn remove(&self) {
        for bucket in self.buckets() {
            self.remove_bucket(bucket).await;
        }
    }

    pub async fn remove_bucket(&self, bucket: &BucketName) {
        match self {
            Self::Directory { root, .. } => fs::remove_dir_all(root.join(bucket.as_str())).unwrap(),
            Self::S3 { env, store, .. } => {
                if store.bucket_exists(bucket).await.unwrap() {
                    for key in support::keys(store.as_ref(), bucket).await {
                        store.delete(&support::at(bucket, &key)).await.unwrap();
                    }
                    let versions: Vec<_> = store.versions(bucket, String::new()).try_collect().await.unwrap();
                    for version in versions {
                        let at = support::at(bucket, version.info.key.as_str());
                        store.delete_version(&at, &version.id).await.unwrap();
                    }
                    env.remove_bucket(bucket).await;
                }
            }
        }
    }
}

/// All of a bucket through a store; what files have beside headers is left out.
pub async fn read_all(store: &dyn ObjectStore, bucket: &BucketName) -> Objects {
    let keys = support::keys(store, bucket).await;
    let found = stream::iter(keys).map(|key| async move {
        let object = store.get(&support::at(bucket, &key), GetOptions::default()).await.unwrap();
        let attributes = Attributes { posix: None, ..object.head.attributes };
        let bytes = object.body.try_fold(Vec::new(), |mut all, bytes| async move {
            all.extend_from_slice(&bytes);
            Ok(all)
        });
        let bytes = bytes.await.unwrap();
        let sha256 = archive::sha256(&bytes).to_string();
        (key, Found { sha256, size: bytes.len() as u64, attributes: format!("{attributes:?}") })
    });
    found.buffer_unordered(8).collect().await
}

/// Every file, link and empty folder below `root`, read past the product.
pub fn files(root: &Path) -> Objects {
    let mut objects = Objects::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let status = fs::symlink_metadata(&path).unwrap();
        let (mode, mtime) = (status.permissions().mode() & 0o7777, status.mtime_nsec());
        let owner = (status.uid(), status.gid());
        let key = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let found = if status.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            Found { sha256: String::new(), size: 0, attributes: format!("link {} {owner:?}", target.display()) }
        } else if status.is_dir() {
            let children: Vec<PathBuf> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            waiting.extend(children.iter().cloned());
            if !children.is_empty() || path == root {
                continue;
            }
            Found { sha256: String::new(), size: 0, attributes: format!("folder {mode:o} {owner:?}") }
        } else {
            let bytes = fs::read(&path).unwrap();
            let attributes = format!("file {mode:o} {owner:?} {}.{mtime:09}", status.mtime());
            Found { sha256: archive::sha256(&bytes).to_string(), size: bytes.len() as u64, attributes }
        };
        objects.insert(key, found);
    }
    objects
}
