//! A stage of a pipeline on a task of its own, so that it works while the others wait.

use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The same stream, of which `depth` items are made before they are asked for. Dropped, it ends its task.
pub fn ahead<T: Send + 'static>(
    source: impl Stream<Item = T> + Send + 'static,
    depth: usize,
) -> impl Stream<Item = T> + Send + 'static {
    let (sender, receiver) = mpsc::channel(depth);
    let mut stage = JoinSet::new();
    stage.spawn(async move {
        let mut source = std::pin::pin!(source);
        while let Some(item) = source.next().await {
            // Nobody listens any more.
            if sender.send(item).await.is_err() {
                break;
            }
        }
    });
    stream::unfold((receiver, stage), |(mut receiver, mut stage)| async move {
        if let Some(item) = receiver.recv().await {
            return Some((item, (receiver, stage)));
        }
        // The end of a stage that broke must not look like the end of its stream.
        match stage.join_next().await {
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            _ => None,
        }
    })
    .fuse()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_stage_works_ahead_as_far_as_it_may_and_in_order() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let source = stream::iter(0..10).inspect(move |_| _ = counter.fetch_add(1, Ordering::Relaxed));
        let mut ahead = std::pin::pin!(ahead(source, 3));
        assert_eq!(ahead.next().await, Some(0));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(made.load(Ordering::Relaxed), 5, "one was taken, three wait, one is held");
        assert_eq!(ahead.by_ref().collect::<Vec<_>>().await, (1..10).collect::<Vec<_>>());
        assert_eq!(ahead.next().await, None, "however often it is asked");
    }

    #[tokio::test]
    async fn a_stage_that_panics_is_no_end() {
        let source = stream::iter(0..3).inspect(|item| assert!(*item < 2, "broken"));
        let ahead = std::panic::AssertUnwindSafe(ahead(source, 1).collect::<Vec<_>>());
        assert!(ahead.catch_unwind().await.is_err());
    }

    #[tokio::test]
    async fn a_stage_ends_with_whoever_listened() {
        let (sender, held) = (Arc::new(()), stream::pending::<()>());
        let watched = Arc::downgrade(&sender);
        drop(ahead(held.inspect(move |()| drop(Arc::clone(&sender))), 1));
        while watched.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    }
}
