//! The note that a displaced database carries as its comment: what it was, until when, and the comment it had.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::RunId;

#[derive(Debug, Serialize, Deserialize)]
struct Comment {
    dcs: Note,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The live name.
    pub(super) was: String,
    pub(super) run: String,
    pub(super) until: Timestamp,
    /// What the comment was before.
    pub(super) comment: Option<String>,
}

impl Note {
    pub(super) fn new(was: &str, run: &RunId, comment: Option<&str>) -> Self {
        let (until, comment) = (Timestamp::now(), comment.map(str::to_owned));
        Self { was: was.to_owned(), run: run.to_string(), until, comment }
    }

    /// `None` where the comment is somebody else's.
    pub(super) fn read(comment: Option<&str>) -> Option<Self> {
        serde_json::from_str::<Comment>(comment?).ok().map(|comment| comment.dcs)
    }

    pub(super) fn into_comment(self) -> String {
        serde_json::json!(Comment { dcs: self }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_other_comments_are_none() {
        let written = Note::new("dre\"am", &RunId::create(), Some("it's\nmine"));
        let comment = written.into_comment();
        let read = Note::read(Some(&comment)).unwrap();
        assert_eq!((read.was.as_str(), read.comment.as_deref()), ("dre\"am", Some("it's\nmine")));
        for other in [None, Some(""), Some("mine"), Some("{}"), Some("{\"dcs\": 1}")] {
            assert_eq!(Note::read(other), None);
        }
    }
}
