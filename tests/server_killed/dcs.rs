//! dcs itself is killed, at a message that the server has heard or has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::Changed;
use crate::proxy::{At, Moment};

#[tokio::test]
async fn dcs_killed_at_any_message_of_a_restore_leaves_the_old_or_the_new() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    for (part, moment) in [
        ("CREATE DATABASE", Moment::After),
        ("COPY public.books", Moment::After),
        ("ANALYZE", Moment::After),
        ("RENAME TO \"dream__before_", Moment::After),
        ("RENAME TO \"dream\"", Moment::After),
        ("COMMIT", Moment::Before),
        ("COMMIT", Moment::After),
    ] {
        let (is_there, is_dead) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (there, dead) = (Arc::clone(&is_there), Arc::clone(&is_dead));
        changed.machine.proxy.set(At::Saying(part), moment, 1, move || {
            there.store(true, Ordering::Release);
            while !dead.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        });
        let mut running = changed.machine.dcs().start(&["restore-db", "--yes"]);
        let came = running.until(|| is_there.load(Ordering::Acquire));
        if came {
            running.signal(Signal::KILL);
        }
        let ended = running.end();
        is_dead.store(true, Ordering::Release);
        assert_eq!((came, ended.signal), (true, Some(9)), "{part} {moment:?}\n{ended}");
        changed.machine.proxy.clear();
        changed.assert_old_or_new_and_a_way_on(&ended).await;
    }
}
