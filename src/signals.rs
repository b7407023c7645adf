//! SIGINT, SIGTERM and SIGHUP end a run in order: uploads are aborted, locks released, temporary files removed.

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::ExitCode;

/// Waits for the first signal and answers the code to end with. Where signals cannot be watched it waits for ever.
pub async fn received() -> ExitCode {
    let watch = |kind| signal(kind).ok();
    let (interrupt, terminate) = (watch(SignalKind::interrupt()), watch(SignalKind::terminate()));
    let (Some(mut interrupt), Some(mut terminate), Some(mut hangup)) =
        (interrupt, terminate, watch(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => ExitCode::Interrupted,
        _ = terminate.recv() => ExitCode::Terminated,
        _ = hangup.recv() => ExitCode::Terminated,
    }
}
