//! What damage costs: the objects and rows that it lies in, by name, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dcs::model::manifest::Segment;
use dcs::model::{IndexRow, Piece, RunId};
use dcs::repository::damage::{Replacement, Replacements, mark_damaged};
use dcs::repository::index::read_index;
use dcs::repository::pack::{Fetched, Finished, PackOptions, read_sound};
use dcs::repository::{ErrorKind, Repository, layout};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{bytes_of, fetch, index, noise, overwrite, read, repository, row, text, write};

#[tokio::test]
async fn one_flipped_bit_costs_one_object() {
    let (repository, _) = repository().await;
    let objects: Vec<(String, Vec<u8>)> =
        (0..20).map(|n| (format!("k{n:02}"), if n % 2 == 0 { noise(3000, n) } else { text(3000, n) })).collect();
    let objects: Vec<(&str, Vec<u8>)> = objects.iter().map(|(key, bytes)| (key.as_str(), bytes.clone())).collect();
    let finished = write(&repository, &objects, PackOptions::default()).await;
    let path = layout::pack(&finished.packs[0].name);
    let good = bytes_of(&repository, &path).await;
    for victim in &finished.rows {
        let piece = &victim.pieces[0];
        let mut bad = good.clone();
        // In the middle of the piece: its compressed content.
        bad[usize::try_from(piece.offset + piece.length / 2).unwrap()] ^= 4;
        overwrite(&repository, &path, bad).await;
        for row in &finished.rows {
            let result = read(&repository, row).await;
            if row.key == victim.key {
                let error = result.unwrap_err();
                assert_eq!(error.kind, ErrorKind::Damaged);
                let text = error.to_string();
                assert!(text.contains(path.as_str()) && text.contains(row.key.as_str()), "{text}");
            } else {
                result.unwrap();
            }
        }
        let mut failed = BTreeSet::new();
        for fetched in fetch(&repository, &finished.rows).await {
            match fetched {
                Fetched::Failed(row, error) => {
                    assert_eq!(error.kind, ErrorKind::Damaged);
                    failed.insert(row.key);
                }
                Fetched::Whole(..) => {}
                Fetched::Large(row) => panic!("{} is not large", row.key),
            }
        }
        assert_eq!(failed.into_iter().collect::<Vec<_>>(), std::slice::from_ref(&victim.key));
    }
}

#[tokio::test]
async fn a_pack_missing_or_cut_short_is_damage_of_what_it_lost_only() {
    let (repository, _) = repository().await;
    let objects = [("a", text(3000, 1)), ("b", noise(3000, 2)), ("c", text(3000, 3))];
    let finished = write(&repository, &objects, PackOptions::default()).await;
    let path = layout::pack(&finished.packs[0].name);
    let good = bytes_of(&repository, &path).await;
    let kinds = async || {
        let mut kinds = BTreeMap::new();
        for row in &finished.rows {
            kinds.insert(row.key.to_string(), read(&repository, row).await.err().map(|error| error.kind));
        }
        for fetched in fetch(&repository, &finished.rows).await {
            let (row, kind) = match fetched {
                Fetched::Failed(row, error) => (row, Some(error.kind)),
                Fetched::Whole(row, _) | Fetched::Large(row) => (row, None),
            };
            assert_eq!(kinds[row.key.as_str()], kind, "one by one and in bulk alike");
        }
        kinds.into_values().collect::<Vec<_>>()
    };
    assert_eq!(kinds().await, [None, None, None]);
    let end = usize::try_from(finished.rows[1].pieces[0].offset).unwrap() + 10;
    overwrite(&repository, &path, good[..end].to_vec()).await;
    assert_eq!(kinds().await, [None, Some(ErrorKind::Damaged), Some(ErrorKind::Damaged)]);
    repository.store.delete(&repository.address(&path).unwrap()).await.unwrap();
    assert_eq!(kinds().await, [Some(ErrorKind::Damaged); 3]);
}

#[tokio::test]
async fn a_row_that_lies_about_its_object_is_damage() {
    let (repository, _) = repository().await;
    let finished = write(&repository, &[("a", text(3000, 1)), ("b", text(3000, 2))], PackOptions::default()).await;
    let [a, b] = &finished.rows[..] else { panic!("two rows") };
    let lies = [
        IndexRow { size: 2999, ..a.clone() },
        IndexRow { size: 3001, ..a.clone() },
        IndexRow { sha256: b.sha256, ..a.clone() },
        IndexRow { pieces: b.pieces.clone(), ..a.clone() },
        IndexRow { pieces: vec![], ..a.clone() },
        IndexRow { pieces: [&a.pieces[..], &b.pieces[..]].concat(), ..a.clone() },
        IndexRow { pieces: vec![Piece { offset: u64::MAX - 5, ..a.pieces[0].clone() }], ..a.clone() },
    ];
    for lie in lies {
        assert_eq!(read(&repository, &lie).await.unwrap_err().kind, ErrorKind::Damaged, "{lie}");
        if lie.pieces.len() < 2 {
            let fetched = fetch(&repository, std::slice::from_ref(&lie)).await;
            assert!(matches!(&fetched[..], [Fetched::Failed(_, error)] if error.kind == ErrorKind::Damaged), "{lie}");
        }
    }
}

#[tokio::test]
async fn a_segment_that_is_not_what_the_manifest_says_is_damage() {
    let (repository, _) = repository().await;
    let segments = index(&repository, (0..10_000).map(|n| row(&format!("{n:05}"), n))).await;
    let path = &segments[0].part.path;
    let good = bytes_of(&repository, path).await;
    let failure = async |segments: Vec<Segment>| {
        let rows: Vec<_> = read_index(&repository, segments).collect().await;
        let (last, before) = rows.split_last().unwrap();
        assert!(before.iter().all(Result::is_ok));
        let error = last.as_ref().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Damaged);
        before.len()
    };
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for bad in [good[..good.len() - 1].to_vec(), flipped, vec![]] {
        overwrite(&repository, path, bad).await;
        assert_eq!(failure(segments.clone()).await, 0, "not a row before the digest is known");
        // The next run stores it again only where its length is wrong too: the flipped bit it takes for stored.
    }
    repository.store.delete(&repository.address(path).unwrap()).await.unwrap();
    assert_eq!(failure(segments.clone()).await, 0);
    overwrite(&repository, path, good).await;
    let mut miscounted = segments.clone();
    miscounted[0].rows += 1;
    failure(miscounted).await;
    let twice = [segments.clone(), segments.clone()].concat();
    failure(twice).await;
    assert_eq!(read_index(&repository, segments).count().await, 10_000);
}

/// Says of `from`'s contents that they lie in `to` too.
async fn write_down(repository: &Repository, from: &Finished, to: &Finished) {
    let lines = to.rows.iter().map(|row| {
        let (sha256, size, pieces) = (row.sha256, row.size, row.pieces.clone());
        let line = Replacement { sha256, size, pieces }.to_string();
        assert_eq!(line.parse::<Replacement>().unwrap().to_string(), line);
        format!("{line}\n")
    });
    let text: String = std::iter::once("no line of such a list\n".to_owned()).chain(lines).collect();
    overwrite(repository, &layout::replacements(&from.packs[0].name, "a-run"), text.into_bytes()).await;
}

/// The keys that read whole, from wherever.
async fn sound(repository: &Repository, rows: &[IndexRow]) -> Vec<String> {
    let replacements = Arc::new(Replacements::new(repository));
    let all = stream::iter(rows.to_vec()).map(Ok);
    let fetched: Vec<Fetched> = read_sound(repository, &replacements, all, 2).try_collect().await.unwrap();
    let mut keys = Vec::new();
    for fetched in fetched {
        match fetched {
            Fetched::Whole(row, _) => keys.push(row.key.to_string()),
            Fetched::Large(row) if read(repository, &row).await.is_ok() => keys.push(row.key.to_string()),
            Fetched::Large(row) => {
                keys.extend(replacements.sound(&row).await.unwrap().map(|row| row.key.to_string()));
            }
            Fetched::Failed(_, error) => assert_eq!(error.kind, ErrorKind::Damaged),
        }
    }
    keys.sort();
    keys
}

#[tokio::test]
async fn what_was_stored_again_is_read_where_its_own_place_is_damaged() {
    let (repository, _) = repository().await;
    let objects = [("a", text(3000, 1)), ("b", noise(3000, 2)), ("large", noise(9 << 20, 3))];
    let first = write(&repository, &objects, PackOptions::default()).await;
    let second = write(&repository, &objects[1..], PackOptions::default()).await;
    let third = write(&repository, &objects[2..], PackOptions::default()).await;
    let remove = async |finished: &Finished| {
        let at = repository.address(&layout::pack(&finished.packs[0].name)).unwrap();
        repository.store.delete(&at).await.unwrap();
    };
    assert_eq!(sound(&repository, &first.rows).await, ["a", "b", "large"]);
    remove(&first).await;
    assert_eq!(sound(&repository, &first.rows).await, Vec::<String>::new());
    write_down(&repository, &first, &second).await;
    assert_eq!(sound(&repository, &first.rows).await, ["b", "large"]);
    // What was stored again may be damaged too, and be stored a third time.
    remove(&second).await;
    write_down(&repository, &second, &third).await;
    assert_eq!(sound(&repository, &first.rows).await, ["large"]);
    // A list that leads back to where it began ends.
    remove(&third).await;
    write_down(&repository, &third, &first).await;
    assert_eq!(sound(&repository, &first.rows).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_pack_is_marked_as_damaged_once() {
    let (repository, _) = repository().await;
    let finished = write(&repository, &[("a", text(3000, 1))], PackOptions::default()).await;
    let pack = &finished.packs[0].name;
    let marks = async || {
        let keys = crate::support::keys(&*repository.store, &repository.bucket).await;
        keys.into_iter().filter(|key| key.contains("damaged/")).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let run = RunId::create();
        mark_damaged(&repository, pack, &run).await.unwrap();
        assert_eq!(marks().await.len(), 1);
    }
    assert!(marks().await[0].contains(&format!("damaged/{pack}/")), "{:?}", marks().await);
    assert!(!Replacements::new(&repository).any(pack).await.unwrap());
}
