//! One bucket in memory: for each key its states, oldest first.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::{Attributes, Key, Prefix};
use crate::store::{ListOptions, Listed, ObjectHead, ObjectInfo, Version};

/// The version that writes make and replace while versioning is off.
const NULL_VERSION: &str = "null";

#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) body: Bytes,
    pub(super) etag: String,
    pub(super) attributes: Attributes,
}

#[derive(Debug)]
struct State {
    id: String,
    modified: Timestamp,
    /// `None` is a delete marker.
    content: Option<Content>,
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) versioned: bool,
    objects: BTreeMap<String, Vec<State>>,
    writes: u64,
}

pub(super) struct Page {
    pub(super) lines: Vec<Listed>,
    pub(super) next: Option<Bound<String>>,
}

/// Where a listing begins.
pub(super) fn first(options: &ListOptions) -> Bound<String> {
    match &options.start_after {
        Some(after) if *after >= options.prefix => Bound::Excluded(after.clone()),
        _ => Bound::Included(options.prefix.clone()),
    }
}

impl Bucket {
    pub(super) fn current(&self, key: &Key) -> Option<(&Content, ObjectHead)> {
        let state = self.objects.get(key.as_str())?.last()?;
        let content = state.content.as_ref()?;
        let head = ObjectHead {
            size: content.body.len() as u64,
            etag: content.etag.clone(),
            modified: state.modified,
            attributes: content.attributes.clone(),
        };
        Some((content, head))
    }

    pub(super) fn write(&mut self, key: &Key, content: Content, modified: Timestamp) {
        self.push(key, Some(content), modified);
    }

    pub(super) fn delete(&mut self, key: &Key, modified: Timestamp) {
        if self.versioned {
            self.push(key, None, modified);
            return;
        }
        self.delete_version(key, NULL_VERSION);
        if self.objects.contains_key(key.as_str()) {
            self.push(key, None, modified);
        }
    }

    pub(super) fn delete_version(&mut self, key: &Key, version: &str) {
        let Some(states) = self.objects.get_mut(key.as_str()) else { return };
        states.retain(|state| state.id != version);
        if states.is_empty() {
            self.objects.remove(key.as_str());
        }
    }

    fn push(&mut self, key: &Key, content: Option<Content>, modified: Timestamp) {
        self.writes += 1;
        let id = if self.versioned { format!("v{:012}", self.writes) } else { NULL_VERSION.to_owned() };
        let states = self.objects.entry(key.as_str().to_owned()).or_default();
        states.retain(|state| state.id != id);
        states.push(State { id, modified, content });
    }

    /// At most `limit` lines of a listing, and where the next page begins.
    pub(super) fn page(&self, options: &ListOptions, mut from: Bound<String>, limit: usize) -> Page {
        let mut lines = Vec::new();
        while lines.len() < limit {
            let mut rest = self.objects.range::<String, _>((from, Bound::Unbounded));
            let found = rest.find_map(|(key, states)| Some((key, info(key, states.last()?)?)));
            let Some((key, info)) = found.filter(|(key, _)| key.starts_with(&options.prefix)) else {
                return Page { lines, next: None };
            };
            if let Some(folded) = options.fold(&info.key) {
                from = Bound::Included(after_all_below(&folded));
                lines.push(Listed::Prefix(folded));
            } else {
                from = Bound::Excluded(key.clone());
                lines.push(Listed::Object(info));
            }
        }
        Page { lines, next: Some(from) }
    }

    /// All states below a prefix: by key, the newest first.
    pub(super) fn versions(&self, prefix: &str) -> Vec<Version> {
        let below = self.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        below
            .flat_map(|(key, states)| {
                let newest_first = states.iter().rev().enumerate();
                newest_first.filter_map(|(position, state)| version(key, state, position == 0))
            })
            .collect()
    }
}

fn info(key: &str, state: &State) -> Option<ObjectInfo> {
    let content = state.content.as_ref()?;
    Some(ObjectInfo {
        key: Key::new(key).ok()?,
        size: content.body.len() as u64,
        etag: content.etag.clone(),
        modified: state.modified,
    })
}

fn version(key: &str, state: &State, is_latest: bool) -> Option<Version> {
    let marker =
        || Some(ObjectInfo { key: Key::new(key).ok()?, size: 0, etag: String::new(), modified: state.modified });
    Some(Version {
        info: info(key, state).or_else(marker)?,
        id: state.id.clone(),
        is_latest,
        is_delete_marker: state.content.is_none(),
    })
}

/// The first text that sorts after everything below `prefix`: its last `/` becomes the next byte.
fn after_all_below(prefix: &Prefix) -> String {
    let text = prefix.as_str();
    format!("{}0", &text[..text.len() - 1])
}
