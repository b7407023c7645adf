//! Others write into the folder while it is deleted, at every call of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dcs::model::{Attributes, Key};
use dcs::steps::items::{self, DeleteOptions};
use dcs::store::{Address, ObjectStore, Precondition};
use dcs::trash::EntryState;
use futures_util::FutureExt;

use crate::support::faulty::{Call, FaultyStore};
use crate::world::{World, item};

const NEWER: &[u8] = b"written meanwhile";
const WRITTEN: [&str; 2] = ["42/a.txt", "42/later.txt"];

/// The store of `world`, in which somebody writes right before the nth call.
fn written_at(world: &World, nth: usize) -> Arc<FaultyStore<dyn ObjectStore>> {
    let (memory, bucket) = (world.memory.clone().unwrap(), world.books.clone());
    let count = AtomicUsize::new(0);
    FaultyStore::planned(world.store.clone(), move |_: &Call| {
        if count.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            for key in WRITTEN {
                let at = Address::new(bucket.clone(), Key::new(key).unwrap());
                let (body, attributes) = (Bytes::from_static(NEWER), Attributes::default());
                memory.put(&at, body, &attributes, Precondition::Overwrite).now_or_never().unwrap().unwrap();
            }
        }
        None
    })
}

async fn calls_of_a_delete(versioned: bool) -> Vec<Call> {
    let world = World::in_memory(versioned).await;
    let recording = FaultyStore::recording(world.store.clone());
    let items = world.items_on(recording.clone(), world.database());
    items::delete(&items, &item("books/42"), &DeleteOptions::default()).await.unwrap();
    recording.all_calls()
}

async fn nothing_is_lost(versioned: bool, nth: usize, call: &Call) {
    let world = World::in_memory(versioned).await;
    let before = world.state().await;
    let items = world.items_on(written_at(&world, nth), world.database());
    let deleted = items::delete(&items, &item("books/42"), &DeleteOptions::default()).await;
    let at = format!("call {nth}, {call}: {deleted:?}");
    let (books, trash) = (world.objects(&world.books).await, world.objects(&world.trash).await);
    let kept = |key: &str, content: &[u8]| {
        let path = format!("/{}/{key}", world.books);
        let in_trash = trash.iter().any(|(name, found)| name.ends_with(&path) && found.0 == content);
        in_trash || books.get(key).is_some_and(|found| found.0 == content)
    };
    for key in WRITTEN {
        assert!(kept(key, NEWER), "{key} as it was written meanwhile is lost: {at}");
    }
    // What was written over before it was copied is lost to its writer, not to the delete.
    let untouched = before.books.iter().filter(|(key, _)| key.starts_with("42/") && !WRITTEN.contains(&key.as_str()));
    for (key, (content, _)) in untouched {
        assert!(kept(key, content), "{key} is lost: {at}");
    }
    if deleted.is_ok() {
        assert!(world.entries().await.iter().all(|entry| entry.state == EntryState::Complete), "{at}");
    }
}

#[tokio::test]
async fn outside_the_window_nothing_is_lost() {
    let calls = calls_of_a_delete(false).await;
    assert!(calls.len() > 20, "{}", calls.len());
    let mut in_the_window = 0;
    for (nth, call) in (1..).zip(&calls) {
        // From the last look at an original to its removal: the calls that remove originals, one batch and its keys.
        if call.method.starts_with("delete") && call.subject.starts_with("books") {
            in_the_window += 1;
            continue;
        }
        nothing_is_lost(false, nth, call).await;
    }
    assert!((1..=5).contains(&in_the_window), "{in_the_window}");
}

#[tokio::test]
async fn on_a_versioned_bucket_nothing_is_lost_at_any_point() {
    let calls = calls_of_a_delete(true).await;
    for (nth, call) in (1..).zip(&calls) {
        nothing_is_lost(true, nth, call).await;
    }
}
