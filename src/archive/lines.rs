//! Streams of bytes as lines.

use bytes::Bytes;
use futures_util::stream::{self, Stream, TryStreamExt};

/// The longest line: an object of 5 TB has 80,000 pieces.
const LONGEST_LINE: usize = 16 << 20;

/// Cuts a stream in lines, without their newlines, as many at a time as come at once. What is no text, or ends without a
/// newline because it was cut, is the error that `damaged` makes of the reason.
pub fn lines<S, E>(
    raw: S,
    damaged: impl Fn(&'static str) -> E + Send + Sync,
) -> impl Stream<Item = Result<Vec<String>, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Send,
{
    let state = (Box::pin(raw), Vec::new(), damaged);
    stream::try_unfold(state, |(mut raw, mut rest, error)| async move {
        let damaged = |what| Err(error(what));
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
            return Ok(Some((batch, (raw, rest, error))));
        }
        if rest.is_empty() { Ok(None) } else { damaged("its last line is cut") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(raw: &'static [u8], step: usize) -> Result<Vec<String>, &'static str> {
        let chunks = raw.chunks(step).map(|chunk| Ok(Bytes::from_static(chunk)));
        lines(stream::iter(chunks), |what| what).try_concat().await
    }

    #[tokio::test]
    async fn lines_are_the_same_however_the_bytes_came() {
        for step in 1..20 {
            assert_eq!(read("one\n\nthrée\n".as_bytes(), step).await.unwrap(), ["one", "", "thrée"]);
            assert!(read(b"", step).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_last_line_without_its_end_is_damage() {
        assert_eq!(read(b"one\ntwo", 3).await.unwrap_err(), "its last line is cut");
        assert_eq!(read(b"\xff\n", 3).await.unwrap_err(), "it is no text");
    }
}
