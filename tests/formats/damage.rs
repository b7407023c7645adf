//! What damage costs: the objects and rows that it lies in, by name, and no others.

use std::collections::{BTreeMap, BTreeSet};

use dcs::model::manifest::Segment;
use dcs::model::{IndexRow, Piece};
use dcs::repository::index::read_index;
use dcs::repository::pack::{Fetched, PackOptions};
use dcs::repository::{ErrorKind, layout};
use futures_util::StreamExt;

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
