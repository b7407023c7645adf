use dcs::model::{Attributes, Key};
use dcs::repository::layout;
use dcs::repository::pack::read_pack_list;
use dcs::store::{Address, ObjectStore, Precondition};
use futures_util::TryStreamExt;

use crate::world::{World, bucket, noise};

async fn packs(world: &World, files: &dcs::model::manifest::FilesComponent) -> Vec<String> {
    let repository = world.repository().await;
    let list = read_pack_list(repository.open_artefact(&files.pack_list), "packs".to_owned());
    list.map_ok(|pack| pack.name).try_collect().await.unwrap()
}

#[tokio::test]
async fn what_lay_in_a_missing_short_or_marked_pack_is_stored_again_and_told() {
    for damage in ["missing", "short", "marked"] {
        let world = World::new().await;
        for n in 0..10 {
            world.put(&format!("books/{n}"), &noise(n, 3000)).await;
        }
        let first = world.backup().await;
        let names = packs(&world, &first).await;
        let [pack] = &names[..] else { panic!("one pack") };
        let at = Address::new(bucket("vault"), layout::pack(pack));
        let vault = &world.vault.inner;
        match damage {
            "missing" => vault.delete(&at).await.unwrap(),
            "short" => {
                vault
                    .put(&at, "short".into(), &Attributes::default(), Precondition::Overwrite)
                    .await
                    .map(drop)
                    .unwrap();
            }
            _ => {
                let mark = Address::new(bucket("vault"), layout::replacements(pack, "verify"));
                vault.put(&mark, "".into(), &Attributes::default(), Precondition::Overwrite).await.map(drop).unwrap();
            }
        }
        world.put("books/3", &noise(33, 3000)).await;
        let second = world.backup().await;
        assert_eq!((second.effort.read, second.effort.unchanged), (10, 0), "{damage}");
        assert!(!packs(&world, &second).await.contains(pack), "{damage}");

        let healed = crate::support::keys_below(&**vault, &bucket("vault"), &format!("damaged/{pack}/")).await;
        let list = healed.iter().rfind(|key| !key.as_str().contains("verify")).unwrap();
        let lines = world.repository().await.get(list).await.unwrap().unwrap();
        let lines = String::from_utf8(lines.to_vec()).unwrap();
        assert_eq!(lines.lines().count(), 9, "{damage}: what changed since cannot be healed");
        let sum = dcs::archive::sha256(&noise(4, 3000)).to_string();
        assert!(lines.lines().any(|line| line.starts_with(&format!("{sum}\t3000\t"))), "{lines}");

        let third = world.backup().await;
        assert_eq!(third.effort.unchanged, 10, "{damage}");
    }
}

#[tokio::test]
async fn a_parent_that_is_damaged_is_passed_over() {
    for damage in ["manifest", "segment", "index damaged"] {
        let world = World::new().await;
        for n in 0..10 {
            world.put(&format!("books/{n}"), &noise(n, 3000)).await;
        }
        let first = world.try_backup(&world.context().await).await.unwrap();
        world.put("books/a", &noise(100, 3000)).await;
        let second = world.try_backup(&world.context().await).await.unwrap();
        let segment = second.files.as_ref().unwrap().segments[0].part.path.clone();
        let vault = &world.vault.inner;
        let overwrite = async |path: &Key, bytes: Vec<u8>| {
            let at = Address::new(bucket("vault"), path.clone());
            vault.put(&at, bytes.into(), &Attributes::default(), Precondition::Overwrite).await.map(drop).unwrap();
        };
        match damage {
            "manifest" => overwrite(&layout::manifest(&second.id), b"{".to_vec()).await,
            "segment" => vault.delete(&Address::new(bucket("vault"), segment)).await.unwrap(),
            _ => {
                let mut bytes = world.repository().await.get(&segment).await.unwrap().unwrap().to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                overwrite(&segment, bytes).await;
            }
        }
        world.live.take_calls();
        let third = world.try_backup(&world.context().await).await.unwrap();
        let files = third.files.unwrap();
        assert_eq!(world.held(&files).await, world.objects().await, "{damage}");
        if damage == "index damaged" {
            assert_eq!(files.parent, Some(second.id), "what is left of it is compared with");
        } else {
            assert_eq!((files.parent, files.effort.read), (Some(first.id), 1), "{damage}");
        }
    }
}

#[tokio::test]
async fn a_pack_that_goes_while_the_backup_runs_is_stored_again() {
    let world = World::new().await;
    for n in 0..10 {
        world.put(&format!("books/{n}"), &noise(n, 3000)).await;
    }
    let first = world.backup().await;
    let names = packs(&world, &first).await;
    let at = Address::new(bucket("vault"), layout::pack(&names[0]));
    world.put("books/new", &noise(77, 3000)).await;
    // The pack goes when the new one is stored: after the packs were looked at, before the manifest.
    let inner = world.vault.inner.clone();
    let gone = std::sync::atomic::AtomicBool::new(false);
    let vault = crate::support::faulty::FaultyStore::planned(inner.clone(), move |call| {
        if call.subject.contains("/packs/")
            && call.write.is_some()
            && !gone.swap(true, std::sync::atomic::Ordering::Relaxed)
        {
            futures_util::FutureExt::now_or_never(inner.delete(&at)).unwrap().unwrap();
        }
        None
    });
    let context = world.context_with(vault).await;
    let files = world.try_backup(&context).await.unwrap().files.unwrap();
    assert!(!packs(&world, &files).await.contains(&names[0]));
    assert_eq!(world.held(&files).await, world.objects().await);
}

#[tokio::test]
async fn what_prune_means_to_remove_is_not_there_and_what_is_mostly_dead_is_moved() {
    let world = World::new().await;
    for n in 0..10 {
        world.put(&format!("books/{n}"), &noise(n, 3000)).await;
    }
    world.put("books/large", &noise(100, 5 << 20)).await;
    let first = world.backup().await;
    let pack = packs(&world, &first).await.remove(0);
    let write = async |path: Key, text: String| {
        let at = Address::new(bucket("vault"), path);
        world.vault.inner.put(&at, text.into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
    };
    write(layout::mark("sparse.tsv"), format!("{pack}\t100\t10000\n")).await;
    world.live.take_calls();
    let context = world.context().await;
    let moved = world.try_backup(&context).await.unwrap().files.unwrap();
    assert_eq!((world.live_calls("get"), moved.effort.repacked, moved.effort.read), (0, 11, 0));
    assert_eq!(world.held(&moved).await, world.objects().await);
    assert!(!packs(&world, &moved).await.contains(&pack));

    let pack = packs(&world, &moved).await.remove(0);
    let marked = format!("{}\n{}\n", layout::pack(&pack), moved.segments[0].part.path);
    write(layout::mark("run.tsv"), marked).await;
    let third = world.backup().await;
    assert_eq!(third.effort.read, 11);
    assert!(!packs(&world, &third).await.contains(&pack));
    assert!(third.segments.iter().all(|segment| segment.part.path != moved.segments[0].part.path));
    let healed = crate::support::keys_below(&*world.vault.inner, &bucket("vault"), "damaged/").await;
    assert!(healed.is_empty(), "nothing was damaged: {healed:?}");
}

#[tokio::test]
async fn a_segment_that_went_bad_is_not_taken_for_the_one_that_is_written() {
    use dcs::repository::index::{IndexWriter, read_index};
    let world = World::new().await;
    world.put("books/a", &noise(1, 3000)).await;
    let files = world.backup().await;
    let repository = world.repository().await;
    let rows: Vec<_> = read_index(&repository, files.segments.clone()).try_collect().await.unwrap();
    let path = files.segments[0].part.path.clone();
    let mut bytes = repository.get(&path).await.unwrap().unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // Of the right length, and damaged.
    let at = Address::new(bucket("vault"), path.clone());
    world.vault.inner.put(&at, bytes.into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
    assert!(read_index(&repository, files.segments.clone()).try_collect::<Vec<_>>().await.is_err());

    let mut writer = IndexWriter::new(repository.clone());
    for row in rows.clone() {
        writer.push(row).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap()[0].part.path, path);
    let again: Vec<_> = read_index(&repository, files.segments).try_collect().await.unwrap();
    assert_eq!(again, rows);
}
