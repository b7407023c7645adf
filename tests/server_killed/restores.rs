//! The server is killed with all its processes, at messages of a restore that are chosen by number and by what they say.

use crate::proxy::{At, Moment};
use crate::{CONTENT, Changed};

const RESTORE: [&str; 2] = ["restore-db", "--yes"];
/// So many messages of a whole restore are the server's last.
const SAMPLES: usize = 6;

#[tokio::test]
async fn a_server_killed_at_any_message_of_a_restore_comes_back_with_the_old_or_the_new() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    changed.machine.proxy.clear();
    changed.assert_old_or_new_and_a_way_on(&changed.machine.restore().ok()).await;
    changed.machine.proxy.clear();
    changed.machine.restore().ok();
    let heard = changed.machine.proxy.heard();
    changed.machine.undo().ok();
    changed.machine.drop_beside().await;
    for part in ["CREATE DATABASE", "COPY public.books", "rows of a COPY", "ANALYZE", "RENAME TO", "COMMIT"] {
        assert!(heard.iter().any(|text| text.contains(part)), "nobody said {part}: {heard:#?}");
    }
    // The last are those of the swap, which has a test of its own.
    let end = heard.iter().position(|text| text.contains("RENAME TO")).unwrap();
    for sample in 0..SAMPLES {
        let at = At::Nth(1 + sample * (end - 1) / (SAMPLES - 1));
        let ended = changed.kill_server(&RESTORE, at, Moment::Before, false).fails(21, "127.0.0.1");
        assert_eq!(changed.machine.ask(CONTENT).await, changed.old, "{ended}");
        changed.assert_old_or_new_and_a_way_on(&ended).await;
    }
}

#[tokio::test]
async fn a_server_killed_while_it_makes_fills_or_counts_the_new_database_comes_back_with_the_old() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    for (part, moment, is_back_at_once) in [
        ("CREATE DATABASE", Moment::During, false),
        ("CREATE DATABASE", Moment::After, true),
        ("COPY public.books", Moment::After, false),
        ("ALTER TABLE ONLY public.books", Moment::During, true),
        ("ANALYZE", Moment::During, false),
        ("BEGIN ISOLATION LEVEL", Moment::After, true),
    ] {
        let ended = changed.kill_server(&RESTORE, At::Saying(part), moment, is_back_at_once).fails(21, "127.0.0.1");
        assert_eq!(changed.machine.ask(CONTENT).await, changed.old, "{ended}");
        changed.assert_old_or_new_and_a_way_on(&ended).await;
    }
}

#[tokio::test]
async fn a_server_killed_around_the_swap_comes_back_with_one_of_both_and_the_exit_code_says_which() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    for (part, moment) in [
        ("BEGIN; SET LOCAL lock_timeout", Moment::Before),
        ("RENAME TO \"dream__before_", Moment::After),
        ("COMMENT ON DATABASE", Moment::After),
        ("RENAME TO \"dream\"", Moment::During),
        ("RENAME TO \"dream\"", Moment::After),
        ("COMMIT", Moment::Before),
        ("COMMIT", Moment::During),
        ("COMMIT", Moment::After),
    ] {
        let ended = changed.kill_server(&RESTORE, At::Saying(part), moment, true);
        let is_new = changed.machine.ask(CONTENT).await == changed.new;
        assert_eq!(ended.code, Some(if is_new { 0 } else { 21 }), "{part} {moment:?}\n{ended}");
        assert!(
            (part, moment) == ("COMMIT", Moment::During) || is_new == (part == "COMMIT" && moment == Moment::After)
        );
        if !is_new {
            // The server was back to drop it.
            assert!(changed.machine.beside().await.is_empty(), "{ended}");
        }
        changed.assert_old_or_new_and_a_way_on(&ended).await;
    }
}

#[tokio::test]
async fn a_server_that_stays_away_after_the_commit_leaves_it_open_and_says_how_to_see() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    let ended = changed.kill_server(&RESTORE, At::Saying("COMMIT"), Moment::After, false).fails(21, "dream");
    let ended = ended.says("whether the new one is in place is not known").says("restore-db --undo --dry-run");
    assert_eq!(changed.machine.ask(CONTENT).await, changed.new, "{ended}");
    assert!(!ended.stderr.contains("drop it by hand"), "{ended}");
    changed.assert_old_or_new_and_a_way_on(&ended).await;
}

#[tokio::test]
async fn a_connection_cut_leaves_nothing_beside_the_old_database_or_comes_too_late() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    for (part, moment, is_new) in [
        ("CREATE DATABASE", Moment::Before, false),
        ("CREATE DATABASE", Moment::After, false),
        ("COPY public.books", Moment::After, false),
        ("the end of a COPY", Moment::Before, false),
        ("ANALYZE", Moment::After, false),
        ("BEGIN ISOLATION LEVEL", Moment::After, false),
        ("RENAME TO \"dream\"", Moment::After, false),
        ("COMMIT", Moment::Before, false),
        ("COMMIT", Moment::After, true),
    ] {
        changed.machine.proxy.set(At::Saying(part), moment, 1, || {});
        let ended = changed.machine.restore();
        assert!(changed.machine.proxy.clear(), "{ended}");
        let ended = if is_new { ended.ok() } else { ended.fails(21, "127.0.0.1") };
        assert_eq!(changed.machine.ask(CONTENT).await == changed.new, is_new, "{part} {moment:?}\n{ended}");
        assert_eq!(changed.machine.beside().await.len(), usize::from(is_new), "{ended}");
        if is_new {
            changed.assert_old_or_new_and_a_way_on(&ended).await;
        }
    }
}

#[tokio::test]
async fn a_server_killed_around_an_undo_comes_back_with_one_of_both_and_the_same_command_finishes() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    changed.machine.restore().ok();
    for (part, moment) in [
        ("RENAME TO \"dream__before_", Moment::After),
        ("RENAME TO \"dream\"", Moment::After),
        ("COMMIT", Moment::Before),
        ("COMMIT", Moment::After),
    ] {
        let arguments = ["restore-db", "--undo", "--yes"];
        let ended = changed.kill_server(&arguments, At::Saying(part), moment, true);
        let is_back = changed.machine.ask(CONTENT).await == changed.old;
        assert_eq!(is_back, part == "COMMIT" && moment == Moment::After, "{part} {moment:?}\n{ended}");
        assert_eq!(ended.code, Some(if is_back { 0 } else { 21 }), "{part} {moment:?}\n{ended}");
        assert_eq!(changed.machine.beside().await.len(), 1, "{ended}");
        if !is_back {
            changed.machine.undo().ok();
        }
        assert_eq!(changed.machine.ask(CONTENT).await, changed.old);
        changed.machine.undo().ok();
        assert_eq!(changed.machine.ask(CONTENT).await, changed.new);
    }
}
