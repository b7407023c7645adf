//! Streams of bytes cut anew. A stage that works on whole buffers sees sizes that do not depend on the network.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};

use super::buffers::Buffers;

/// Cuts a stream in buffers of exactly `size` bytes, the last one shorter. An empty stream gives one empty buffer.
pub fn exact<S, E>(source: S, size: usize) -> impl Stream<Item = Result<Bytes, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Send,
{
    let state = Cutter {
        source: Some(Box::pin(source)),
        carried: Bytes::new(),
        buffers: Buffers::default(),
        size,
        is_first: true,
    };
    stream::try_unfold(state, |mut state| async move {
        let buffer = state.next().await?;
        Ok(buffer.map(|buffer| (buffer, state)))
    })
}

struct Cutter<S> {
    /// `None` once it has ended.
    source: Option<S>,
    /// What was read beyond the end of the last buffer.
    carried: Bytes,
    buffers: Buffers,
    size: usize,
    is_first: bool,
}

impl<S, E> Cutter<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    async fn next(&mut self) -> Result<Option<Bytes>, E> {
        if self.carried.len() >= self.size {
            self.is_first = false;
            return Ok(Some(self.carried.split_to(self.size)));
        }
        let mut buffer = self.buffers.take();
        buffer.clear();
        loop {
            let take = self.carried.len().min(self.size - buffer.len());
            // A short stream never costs a whole buffer, a long one is copied once more at most.
            if buffer.len() + take > self.size / 4 && buffer.capacity() < self.size {
                buffer.reserve_exact(self.size - buffer.len());
            }
            buffer.extend_from_slice(&self.carried.split_to(take));
            if buffer.len() == self.size {
                break;
            }
            let Some(source) = &mut self.source else { break };
            match source.next().await {
                Some(chunk) => self.carried = chunk?,
                None => self.source = None,
            }
        }
        let is_first = std::mem::replace(&mut self.is_first, false);
        let length = buffer.len();
        Ok((is_first || length > 0).then(|| self.buffers.lend(buffer, length)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    async fn sizes(chunks: &[usize], size: usize) -> Vec<usize> {
        let source = stream::iter(chunks.iter().map(|length| Ok::<_, ()>(Bytes::from(vec![7; *length]))));
        exact(source, size).map_ok(|buffer| buffer.len()).try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn buffers_have_one_size_however_the_bytes_came() {
        assert_eq!(sizes(&[1, 0, 9, 25], 10).await, [10, 10, 10, 5]);
        assert_eq!(sizes(&[30], 10).await, [10, 10, 10]);
        assert_eq!(sizes(&[3], 10).await, [3]);
    }

    #[tokio::test]
    async fn an_empty_stream_gives_one_empty_buffer() {
        assert_eq!(sizes(&[], 10).await, [0]);
        assert_eq!(sizes(&[0, 0], 10).await, [0]);
    }

    #[tokio::test]
    async fn an_error_comes_through_instead_of_a_short_buffer() {
        let source = stream::iter([Ok(Bytes::from_static(b"abc")), Err("gone")]);
        let all: Vec<_> = exact(source, 2).collect().await;
        assert_eq!(all, [Ok(Bytes::from_static(b"ab")), Err("gone")]);
    }
}
