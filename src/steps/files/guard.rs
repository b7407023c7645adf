//! An emptied source is not a good backup.

use super::super::shrunken::is_less;
use super::FilesOptions;
use crate::model::Problem;
use crate::model::format;
use crate::model::manifest::{FilesComponent, SourceSummary};
use crate::repository::parents::Parent;

/// The sources that lost more than the guard allows since the newest good backup. The trash is meant to be emptied.
pub(super) fn shrunken(files: &FilesComponent, good: Option<&Parent>, options: &FilesOptions) -> Vec<Problem> {
    let Some(good) = good.filter(|_| options.shrink_guard > 0) else { return Vec::new() };
    let is_trash = |summary: &SourceSummary| {
        let trash = options.trash.as_ref();
        trash
            .is_some_and(|trash| summary.source.store() == trash.store && summary.source.bucket() == trash.place.bucket)
    };
    let pairs = files.sources.iter().filter(|now| !is_trash(now)).filter_map(|now| {
        let before = good.files.sources.iter().find(|before| before.source == now.source)?;
        // Less was asked for: that is no loss.
        let is_same = (&before.prefixes, &before.patterns) == (&now.prefixes, &now.patterns);
        is_same.then_some((before, now))
    });
    let lost = pairs.filter(|(before, now)| {
        let is_less = |before, now| is_less(before, now, options.shrink_guard);
        is_less(before.objects, now.objects) || is_less(before.bytes, now.bytes)
    });
    lost.map(|(before, now)| {
        let told = |summary: &SourceSummary| {
            format!("{} of {}", format::count(summary.objects, "object"), format::bytes(summary.bytes))
        };
        let reason = format!(
            "it has {}, and had {} in {}: if that is right, say so with `dcs backup accept`",
            told(now),
            told(before),
            good.id
        );
        Problem::new(now.source.as_str(), reason)
    })
    .collect()
}
