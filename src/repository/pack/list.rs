//! `packs.tsv.gz`: every pack that a backup needs, a line each: `pack size sha256`, tab-separated, sorted by pack.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt, TryStreamExt};

use crate::model::Digest;
use crate::model::index::is_pack_name;
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::lines::lines;

/// A pack as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackInfo {
    pub name: String,
    pub size: u64,
    pub sha256: Digest,
}

/// The line, without its newline.
impl fmt::Display for PackInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\t{}\t{}", self.name, self.size, self.sha256)
    }
}

/// Says that a line of the pack list is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no line of a pack list")]
pub struct InvalidPackLine(String);

impl FromStr for PackInfo {
    type Err = InvalidPackLine;

    fn from_str(line: &str) -> std::result::Result<Self, InvalidPackLine> {
        let fields: Vec<&str> = line.split('\t').collect();
        let pack = match fields[..] {
            [name, size, sha256] if is_pack_name(name) => size
                .parse()
                .ok()
                .zip(sha256.parse().ok())
                .map(|(size, sha256)| Self { name: name.to_owned(), size, sha256 }),
            _ => None,
        };
        pack.ok_or_else(|| InvalidPackLine(line.to_owned()))
    }
}

/// Reads the lines of a pack list that was decompressed already. `subject` names it in errors.
pub fn read_pack_list<S>(raw: S, subject: String) -> impl Stream<Item = Result<PackInfo>> + Send
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let mut last = String::new();
    lines(raw, subject.clone()).map_ok(|batch| futures_util::stream::iter(batch).map(Ok)).try_flatten().and_then(
        move |line| {
            let damaged =
                |detail: String| RepositoryError::new(ErrorKind::Damaged, "read", subject.clone()).with_detail(detail);
            let pack = line.parse::<PackInfo>().map_err(|error| damaged(error.to_string())).and_then(|pack| {
                if pack.name <= last { Err(damaged(format!("{} is out of order", pack.name))) } else { Ok(pack) }
            });
            if let Ok(pack) = &pack {
                last.clone_from(&pack.name);
            }
            std::future::ready(pack)
        },
    )
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::archive::sha256;

    fn pack(name: &str) -> PackInfo {
        PackInfo { name: name.to_owned(), size: 7, sha256: sha256(name.as_bytes()) }
    }

    async fn read(packs: &[PackInfo]) -> Result<Vec<PackInfo>> {
        let text: Vec<_> = packs.iter().map(|pack| Ok(Bytes::from(format!("{pack}\n")))).collect();
        read_pack_list(stream::iter(text), "packs.tsv.gz".to_owned()).try_collect().await
    }

    #[tokio::test]
    async fn a_list_reads_back_as_it_was_written() {
        let packs = [pack("bcdf2345"), pack("bcdf2346"), pack("k3x9k3x9")];
        assert_eq!(read(&packs).await.unwrap(), packs);
        assert!(read(&[]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_list_out_of_order_or_with_another_line_is_damage() {
        for bad in [[pack("bcdf2346"), pack("bcdf2345")], [pack("bcdf2345"), pack("bcdf2345")]] {
            assert_eq!(read(&bad).await.unwrap_err().kind, ErrorKind::Damaged);
        }
        assert_eq!(read(&[pack("../../x")]).await.unwrap_err().kind, ErrorKind::Damaged);
        for bad in ["", "bcdf2345", "bcdf2345\t7", "bcdf2345\t-7\t00"] {
            assert!(bad.parse::<PackInfo>().is_err(), "{bad:?}");
        }
    }
}
