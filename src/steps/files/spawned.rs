//! Work on a task of its own.

/// Runs a future on a task, on whichever core is free and whether or not it is polled; it ends with whoever waits for it.
pub(super) async fn spawned<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(work);
    match tasks.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        None => unreachable!("one task was spawned"),
    }
}
