//! `pg_restore` is killed in the middle of its work, or after all of it.

use std::fs;

use crate::{CONTENT, Changed};

/// Stands in for `docker exec -i`: hands `pg_restore` so many bytes and kills it, or lets it finish and dies itself.
const KILLS: &str = r#"
case "$*" in
*--version*) exec "$@" ;;
esac
if [ BYTES = all ]; then
    "$@"
    kill -9 $$
fi
mkfifo "$0.pipe"
"$@" <"$0.pipe" &
exec 3>"$0.pipe"
rm "$0.pipe"
head -c BYTES >&3
kill -9 $!
wait $!
kill -9 $$
"#;

#[tokio::test]
async fn pg_restore_killed_anywhere_leaves_the_old_database_and_nothing_beside_it() {
    let Some(changed) = Changed::since_a_backup().await else { return };
    let machine = &changed.machine;
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(machine.manifest()).unwrap()).unwrap();
    let size = manifest["databases"][0]["dump"]["raw_size"].as_u64().unwrap();
    let parts = [0, 100, size / 4, size / 2, size * 3 / 4, size - 1].map(|bytes| bytes.to_string());
    for bytes in parts.iter().map(String::as_str).chain(["all"]) {
        let inside = machine.program("inside", &KILLS.replace("BYTES", bytes));
        machine.configure(&format!("tools = [\"{}\"]", inside.display()), "");
        let ended = machine.restore().fails(21, "pg_restore was killed");
        assert_eq!(machine.ask(CONTENT).await, changed.old, "{bytes}\n{ended}");
        assert!(machine.beside().await.is_empty(), "{bytes}\n{ended}");
    }
    machine.configure("", "");
    changed.assert_old_or_new_and_a_way_on(&machine.restore().ok()).await;
}
