//! Streams of bytes as lines.

use bytes::Bytes;
use futures_util::stream::{self, Stream, TryStreamExt};

use super::error::{ErrorKind, RepositoryError, Result};

/// The longest line: an object of 5 TB has 80,000 pieces.
const LONGEST_LINE: usize = 16 << 20;

/// Cuts a stream in lines, without their newlines, as many at a time as come at once. A last line without newline is
/// `Damaged`: it was cut. `subject` names what is read.
pub fn lines<S>(raw: S, subject: String) -> impl Stream<Item = Result<Vec<String>>> + Send
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let state = (Box::pin(raw), Vec::new(), subject);
    stream::try_unfold(state, |(mut raw, mut rest, subject)| async move {
        let damaged =
            |what: &str| Err(RepositoryError::new(ErrorKind::Damaged, "read", subject.clone()).with_detail(what));
        while let Some(chunk) = raw.try_next().await? {
            let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
                rest.extend_from_slice(&chunk);
                if rest.len() > LONGEST_LINE {
                    return damaged("a line never ends");
                }
                continue;
            };
            rest.extend_from_slice(&chunk[..end]);
            let Ok(text) = String::from_utf8(std::mem::take(&mut rest)) else { return damaged("it is no text") };
            rest.extend_from_slice(&chunk[end + 1..]);
            let batch = text.split('\n').map(str::to_owned).collect();
            return Ok(Some((batch, (raw, rest, subject))));
        }
        if rest.is_empty() { Ok(None) } else { damaged("its last line is cut") }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    async fn read(raw: &'static str, step: usize) -> Result<Vec<String>> {
        let chunks = raw.as_bytes().chunks(step).map(|chunk| Ok(Bytes::from_static(chunk)));
        lines(stream::iter(chunks), "a list".to_owned()).try_concat().await
    }

    #[tokio::test]
    async fn lines_are_the_same_however_the_bytes_came() {
        for step in 1..20 {
            assert_eq!(read("one\n\nthrée\n", step).await.unwrap(), ["one", "", "thrée"]);
            assert!(read("", step).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_last_line_without_its_end_is_damage() {
        assert_eq!(read("one\ntwo", 3).await.unwrap_err().kind, ErrorKind::Damaged);
        let mut all = Box::pin(lines(stream::iter([Ok(Bytes::from_static(b"\xff\n"))]), "a list".to_owned()));
        assert_eq!(all.next().await.unwrap().unwrap_err().kind, ErrorKind::Damaged);
    }
}
