//! `marks/sparse.tsv`: packs of which little is named any more, a line each: `pack live_bytes size`, the emptiest first.
//!
//! The next backup stores what it still needs of them again, so that they go with the last backup that names them. The
//! list is a hint: what is wrong with it costs room, never contents.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::Key;
use crate::model::index::is_pack_name;
use crate::repository::error::{ErrorKind, Result};
use crate::repository::{Repository, layout};
use crate::store::Precondition;

/// As many packs as a backup copies out of at most: that is 16 GiB of packs, and 4 GiB of contents.
pub(super) const MOST_PACKS: usize = 256;

pub(super) const PATH: &str = "marks/sparse.tsv";

pub(super) fn path() -> Key {
    layout::mark("sparse.tsv")
}

/// A pack of which little is named.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Sparse {
    /// As index rows name it.
    pub name: String,
    pub live_bytes: u64,
    pub size: u64,
}

/// By the part that is named, then by name.
impl Ord for Sparse {
    fn cmp(&self, other: &Self) -> Ordering {
        let part = |live: u64, size: u64| u128::from(live) * u128::from(size);
        let parts = part(self.live_bytes, other.size).cmp(&part(other.live_bytes, self.size));
        parts.then_with(|| self.name.cmp(&other.name)).then_with(|| self.size.cmp(&other.size))
    }
}

impl PartialOrd for Sparse {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes the list in place of the one before, where it is another.
pub(super) async fn write(repository: &Repository, packs: &[Sparse]) -> Result<()> {
    let line = |sparse: &Sparse| format!("{}\t{}\t{}\n", sparse.name, sparse.live_bytes, sparse.size);
    let text: String = packs.iter().map(line).collect::<Vec<_>>().concat();
    let found = repository.get(&path()).await;
    match found {
        Ok(None) if text.is_empty() => Ok(()),
        Ok(Some(found)) if found == text.as_bytes() => Ok(()),
        Err(error) if error.kind != ErrorKind::Damaged => Err(error),
        _ => repository.put(&path(), text.into(), Precondition::Overwrite).await,
    }
}

/// The packs, by the names that index rows give them, that the next backup should leave: what it needs of them goes into
/// new packs. At most 256.
pub async fn sparse_packs(repository: &Repository) -> Result<BTreeSet<String>> {
    let text = match repository.get(&path()).await {
        Ok(text) => text.unwrap_or_default(),
        Err(error) if error.kind == ErrorKind::Damaged => {
            tracing::warn!("{error}; it is passed over, and the next prune writes it anew");
            return Ok(BTreeSet::new());
        }
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&text);
    let names = text.lines().filter_map(|line| line.split('\t').next());
    let is_name = |name: &&str| is_pack_name(name.split('.').next().unwrap_or_default());
    Ok(names.filter(is_name).take(MOST_PACKS).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{BucketName, Prefix};
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn the_first_packs_of_the_list_are_taken_and_no_more_than_a_run_can_copy() {
        let bucket = BucketName::new("vault").unwrap();
        let repository = Repository::init(Arc::new(MemoryStore::new()), bucket, Prefix::root()).await.unwrap().0;
        assert_eq!(path().as_str(), PATH);
        assert!(sparse_packs(&repository).await.unwrap().is_empty());

        let lines: Vec<String> = (0..1000).map(|n| format!("{:024}\t{n}\t10000\n", 1000 - n)).collect();
        let text = format!("../../etc\t1\t2\nbcdf2345bcdf.zst\t1\t100\n{}", lines.concat());
        repository.put(&path(), text.into(), Precondition::Overwrite).await.unwrap();
        let packs = sparse_packs(&repository).await.unwrap();
        assert_eq!(packs.len(), MOST_PACKS);
        assert!(packs.contains("bcdf2345bcdf.zst") && packs.contains(&format!("{:024}", 1000)));
        assert!(!packs.contains(&format!("{:024}", 1)));
    }
}
