//! Content that lay in a damaged pack and was read from the live source again: where it lies now is written down beside
//! the mark of the damage, for the older backups that need it.

use std::fmt::Write as _;

use futures_util::TryStreamExt;

use super::super::{Context, Result};
use crate::model::{IndexRow, Piece};
use crate::repository::layout;
use crate::repository::spool::Sorter;
use crate::repository::standing::Unusable;
use crate::store::Precondition;

/// Lines in memory; more go through the spool.
const MEMORY_BYTES: usize = 1 << 20;
/// Bytes of one list; what heals more writes several.
const LIST_BYTES: usize = 4 << 20;

/// Collects what was stored again.
pub(super) struct Healing {
    sorter: Sorter,
    /// Objects whose content was stored again.
    pub(super) objects: u64,
}

impl Healing {
    pub(super) fn new(context: &Context) -> Self {
        Self { sorter: Sorter::new(&context.spool, MEMORY_BYTES), objects: 0 }
    }

    /// Notes that `row`, confirmed now, has the content that `old` had where it cannot be relied upon.
    pub(super) async fn note(&mut self, old: &IndexRow, row: &IndexRow, unusable: &Unusable) -> Result<()> {
        if (old.sha256, old.size) != (row.sha256, row.size) {
            return Ok(());
        }
        self.objects += 1;
        let line = format!("{}\t{}\t{}\n", row.sha256, row.size, pieces(&row.pieces));
        let mut packs: Vec<&str> = old.pieces.iter().map(|piece| piece.pack.as_str()).collect();
        packs.dedup();
        for pack in packs.into_iter().filter(|pack| unusable.is_lost(pack)) {
            self.sorter.push(pack, line.as_str()).await?;
        }
        Ok(())
    }

    /// Writes what was noted, a list or more for each damaged pack.
    pub(super) async fn store(self, context: &Context) -> Result<()> {
        let mut records = std::pin::pin!(self.sorter.finish().await?);
        let (mut pack, mut lines, mut number) = (Vec::new(), String::new(), 0);
        while let Some(record) = records.try_next().await? {
            if record.key != pack || lines.len() > LIST_BYTES {
                write(context, &pack, &lines, number).await?;
                number = if record.key == pack { number + 1 } else { 0 };
                lines.clear();
                pack = record.key;
            }
            lines.push_str(&String::from_utf8_lossy(&record.value));
        }
        write(context, &pack, &lines, number).await
    }
}

fn pieces(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for (index, Piece { pack, offset, length }) in pieces.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // Writing to a string does not fail.
        write!(text, "{comma}{pack}:{offset}:{length}").ok();
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

async fn write(context: &Context, pack: &[u8], lines: &str, number: u32) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let name = format!("{}-{number}", context.run);
    let path = layout::replacements(&String::from_utf8_lossy(pack), &name);
    Ok(context.repository.put(&path, lines.to_owned().into(), Precondition::Overwrite).await?)
}
