//! Which packs can be relied upon: `packs/` is listed once and held against what is said to be there.
//!
//! Memory grows with what is wrong, not with what there is.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::stream::{BoxStream, Stream, StreamExt, TryStreamExt};

use super::error::{RepositoryError, Result};
use super::pack::PackInfo;
use super::prune::Marked;
use super::{Repository, layout};
use crate::model::index::{is_pack_name, pack_stem};
use crate::store::{ListOptions, Listed};

/// Packs that no new row may name. How they are compressed tells none from another.
#[derive(Debug, Clone, Default)]
pub struct Unusable {
    packs: BTreeSet<String>,
    marked: Arc<Marked>,
}

impl Unusable {
    /// Those that prune means to remove; more may be added.
    pub fn marked(marked: Arc<Marked>) -> Self {
        Self { packs: BTreeSet::new(), marked }
    }

    pub fn contains(&self, pack: &str) -> bool {
        self.is_lost(pack) || self.marked.is_pack_marked(pack)
    }

    /// Whether the pack is missing, short or damaged.
    pub fn is_lost(&self, pack: &str) -> bool {
        self.packs.contains(pack_stem(pack))
    }

    pub fn insert(&mut self, pack: &str) {
        self.packs.insert(pack_stem(pack).to_owned());
    }

    pub fn extend(&mut self, others: Self) {
        self.packs.extend(others.packs);
    }

    /// Whether none is lost.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty()
    }

    /// Those that are lost, by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.packs.iter().map(String::as_str)
    }
}

/// A pack as the store lists it.
struct ListedPack {
    name: String,
    size: u64,
}

impl Repository {
    /// Adds those of `packs`, which come sorted by name, that are missing or have another size.
    pub async fn add_missing<S>(&self, packs: S, unusable: &mut Unusable) -> Result<()>
    where
        S: Stream<Item = Result<PackInfo>> + Send,
    {
        let mut packs = std::pin::pin!(packs);
        let mut listed = std::pin::pin!(self.list_packs().peekable());
        while let Some(pack) = packs.try_next().await? {
            let mut found = None;
            let is_behind = |next: &Result<ListedPack>| next.as_ref().map_or(true, |next| next.name <= pack.name);
            while let Some(next) = listed.as_mut().next_if(is_behind).await {
                found = Some(next?);
            }
            if found.is_none_or(|found| found.name != pack.name || found.size != pack.size) {
                unusable.insert(&pack.name);
            }
        }
        Ok(())
    }

    /// Adds the packs that a verification, or somebody, has marked as damaged.
    pub async fn add_damaged(&self, unusable: &mut Unusable) -> Result<()> {
        let folder = format!("{}{}", self.prefix, layout::DAMAGED);
        let options = ListOptions { prefix: folder.clone(), ..ListOptions::default() };
        let mut listing = self.store.list(&self.bucket, options);
        while let Some(listed) = listing.next().await {
            let listed = listed.map_err(|error| RepositoryError::from_store(error, "list", layout::DAMAGED))?;
            let Listed::Object(info) = listed else { continue };
            let pack = info.key.as_str().strip_prefix(&folder).and_then(|rest| rest.split('/').next());
            if let Some(pack) = pack.filter(|pack| is_pack_name(pack)) {
                unusable.insert(pack);
            }
        }
        Ok(())
    }

    /// All packs that are there, by name: the first two letters of a name are its folder, so keys sort as names do.
    fn list_packs(&self) -> BoxStream<'static, Result<ListedPack>> {
        let options = ListOptions { prefix: format!("{}{}", self.prefix, layout::PACKS), ..ListOptions::default() };
        let listing = self.store.list(&self.bucket, options);
        let listing = listing.map_err(|error| RepositoryError::from_store(error, "list", layout::PACKS));
        let packs = listing.try_filter_map(|listed| {
            let Listed::Object(info) = listed else { return std::future::ready(Ok(None)) };
            let name = layout::pack_at(info.key.as_str());
            std::future::ready(Ok(name.map(|name| ListedPack { name, size: info.size })))
        });
        packs.boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::archive::sha256;
    use crate::model::{BucketName, Prefix};
    use crate::store::Precondition;
    use crate::store::memory::MemoryStore;

    fn pack(name: &str, size: u64) -> PackInfo {
        PackInfo { name: name.to_owned(), size, sha256: sha256(b"") }
    }

    #[tokio::test]
    async fn what_is_missing_short_or_marked_is_found_and_nothing_else() {
        let (bucket, prefix) = (BucketName::new("vault").unwrap(), Prefix::new("dcs/").unwrap());
        let repository = Repository::init(Arc::new(MemoryStore::new()), bucket, prefix).await.unwrap().0;
        for name in ["bcdf2345", "bdbb2222.zst", "k3x9k3x9", "z222z222.zst"] {
            repository.put(&layout::pack(name), "12345".into(), Precondition::Overwrite).await.unwrap();
        }
        let said = [
            pack("bcdf2345", 5),
            pack("bcdf2346", 5),
            pack("bdbb2222.zst", 4),
            pack("z222z222.zst", 5),
            pack("zzzz9999", 5),
        ];
        let mut unusable = Unusable::default();
        repository.add_missing(stream::iter(said.map(Ok)), &mut unusable).await.unwrap();
        assert_eq!(unusable.names().collect::<Vec<_>>(), ["bcdf2346", "bdbb2222", "zzzz9999"]);
        let mark = crate::model::Key::new("damaged/z222z222/k3x9.tsv").unwrap();
        repository.put(&mark, "".into(), Precondition::Overwrite).await.unwrap();
        repository.add_damaged(&mut unusable).await.unwrap();
        assert!(unusable.contains("z222z222.zst") && !unusable.contains("bcdf2345"));
    }
}
