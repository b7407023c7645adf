//! Lines of the repository's lists.

use bytes::Bytes;
use futures_util::stream::Stream;

use super::error::{ErrorKind, RepositoryError, Result};
use crate::archive;

/// Cuts a list in lines; one that was cut is `Damaged`, and `subject` names it.
pub fn lines<S>(raw: S, subject: String) -> impl Stream<Item = Result<Vec<String>>> + Send
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let damaged = move |what| RepositoryError::new(ErrorKind::Damaged, "read", subject.clone()).with_detail(what);
    archive::lines(raw, damaged)
}
