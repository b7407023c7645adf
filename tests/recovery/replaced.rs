//! What a damaged or missing pack held is read from where a later backup stored it again.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use dcs::model::IndexRow;

use crate::{dcs, sections, support};

/// The row of an object in a repository of one backup.
fn row(repository: &Path, key: &str) -> IndexRow {
    let output = Command::new("sh").args(["-c", "gzip -dc indexes/*/*"]).current_dir(repository).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rows = text.lines().map(|line| line.parse::<IndexRow>().unwrap());
    rows.find(|row| row.key.as_str() == key).unwrap()
}

/// Restores the files anew as RECOVERY.txt says.
fn recover(repository: &Path) -> Output {
    fs::remove_dir_all(repository.join("restored")).ok();
    let sections = sections(repository);
    let (_, commands) = sections.iter().find(|(title, _)| title == "Restore files").unwrap();
    Command::new("sh").args(["-c", commands]).current_dir(repository).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn what_was_stored_again_is_read_where_a_pack_is_damaged_or_missing() {
    let folder = support::folder();
    let (live, vault) = (folder.path().join("live/books"), folder.path().join("vault"));
    fs::create_dir_all(&live).unwrap();
    fs::create_dir(&vault).unwrap();
    // Two pieces, so that either may be the damaged one.
    let large: Vec<u8> = (0..17_000_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
    fs::write(live.join("large"), &large).unwrap();
    fs::write(live.join("other"), "another").unwrap();
    let settings = format!(
        "[stores.live]\npath = '{0}/live'\n[stores.vault]\npath = '{0}/vault'\n\
         [backup]\nstore = 'vault'\nbucket = 'backups'\nfiles = ['live/*']\n",
        folder.path().display()
    );
    fs::write(folder.path().join("dcs.toml"), settings).unwrap();
    dcs(folder.path(), &[], &["init"]);
    dcs(folder.path(), &[], &["backup", "files"]);
    let repository = vault.join("backups");
    let (large_row, other_row) = (row(&repository, "large"), row(&repository, "other"));
    assert_eq!(large_row.pieces.len(), 2);

    // The same pack once more under another name; one bit of the first flips.
    let name = &large_row.pieces[0].pack;
    let pack = repository.join(format!("packs/{}/{name}.tar.gz", &name[..2]));
    let whole = fs::read(&pack).unwrap();
    let again = "bcdf2345bcdf2345bcdf2345";
    fs::create_dir_all(repository.join("packs/bc")).unwrap();
    fs::write(repository.join(format!("packs/bc/{again}.tar.gz")), &whole).unwrap();
    let mut damaged = whole;
    damaged[usize::try_from(large_row.pieces[1].offset + 100).unwrap()] ^= 1;
    fs::write(&pack, damaged).unwrap();

    let pieces = |row: &IndexRow| {
        let piece = |piece: &dcs::model::Piece| format!("{again}:{}:{}", piece.offset, piece.length);
        row.pieces.iter().map(piece).collect::<Vec<_>>().join(",")
    };
    let replacements = repository.join("damaged").join(name);
    let write = |file: &str, row: &IndexRow, pieces: &str| {
        fs::write(replacements.join(file), format!("{}\t{}\t{pieces}\n", row.sha256, row.size)).unwrap();
    };
    fs::create_dir_all(&replacements).unwrap();
    // Three that do not help: a mark, a place of other bytes, and other content.
    fs::write(replacements.join("mark.tsv"), "").unwrap();
    write("a.tsv", &large_row, &pieces(&other_row));
    write("b.tsv", &other_row, &pieces(&other_row));
    let output = recover(&repository);
    assert!(!output.status.success());
    assert_eq!(stdout(&output), "2 objects restored, 1 errors\n");

    // Stored again in a pack that went bad in turn, and then once more.
    let lost = "zzzz2345zzzz2345zzzz2345";
    write("c.tsv", &large_row, &pieces(&large_row).replace(again, lost));
    let gone_pack = repository.join("damaged").join(lost);
    fs::create_dir(&gone_pack).unwrap();
    fs::write(gone_pack.join("d.tsv"), format!("{}\t{}\t{}\n", large_row.sha256, large_row.size, pieces(&large_row)))
        .unwrap();
    let restored = repository.join("restored/files/live/books");
    for is_gone in [false, true] {
        if is_gone {
            fs::remove_file(&pack).unwrap();
        }
        let output = recover(&repository);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(stdout(&output), "2 objects restored, 0 errors\n");
        assert!(fs::read(restored.join("large")).unwrap() == large);
        assert_eq!(fs::read_to_string(restored.join("other")).unwrap(), "another");
    }
}
