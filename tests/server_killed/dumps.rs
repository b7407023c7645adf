//! The server or the connection ends in the middle of a dump: there is no backup, or one that was begun anew.

use crate::one_database::Machine;
use crate::proxy::{At, Moment};
use crate::{CONTENT, Changed, FILL};

const DUMP: [&str; 2] = ["backup", "db"];
/// So many messages of a whole dump are the server's last.
const SAMPLES: usize = 6;

#[tokio::test]
async fn a_server_killed_at_any_message_of_a_dump_leaves_no_backup_and_the_next_one_is_good() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    let machine = &changed.machine;
    machine.proxy.clear();
    machine.back_up();
    let heard = machine.proxy.heard();
    assert!(heard.iter().any(|text| text.contains("COPY public.books")), "{heard:#?}");
    for sample in 0..SAMPLES {
        let at = At::Nth(1 + sample * (heard.len() * 9 / 10) / (SAMPLES - 1));
        changed.kill_server(&DUMP, at, Moment::Before, false).fails(21, "dream");
        assert_eq!(machine.backups(), 2, "{at:?}");
    }
    for part in ["COPY public.books", "COPY public.pages"] {
        let ended = changed.kill_server(&DUMP, At::Saying(part), Moment::After, false).fails(21, "dream");
        ended.says("pg_dump: error: ").says("server closed the connection unexpectedly");
        assert_eq!(machine.backups(), 2, "{part}");
    }
    machine.back_up();
    assert_eq!(machine.backups(), 3);
    machine.restore().ok();
    assert_eq!(machine.ask(CONTENT).await, changed.old);
}

#[tokio::test]
async fn a_connection_cut_in_a_dump_is_tried_once_more_and_then_told() {
    let Some(machine) = Machine::with_database("dream", FILL).await else { return };
    let content = machine.ask(CONTENT).await;
    for (times, code) in [(2, 21), (1, 0)] {
        machine.proxy.set(At::Saying("COPY public.pages"), Moment::After, times, || {});
        let ended = machine.dcs().run(&DUMP);
        assert!(machine.proxy.clear(), "{ended}");
        let ended = ended.code(code).says("server closed the connection unexpectedly").says("tried again");
        assert_eq!(machine.backups(), usize::from(code == 0), "{ended}");
    }
    machine.server.run("dream", "DELETE FROM pages").await;
    machine.restore().ok();
    assert_eq!(machine.ask(CONTENT).await, content);
}
