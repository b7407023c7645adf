//! What a store does wrong, and what becomes of it.

use std::collections::BTreeMap;

use super::*;
use crate::archive::Codec;
use crate::model::{Attributes, BackupKind, Key, RunId, Silent, SourceName};
use crate::repository::Repository;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::memory::MemoryStore;
use crate::store::{Address, Precondition};

#[tokio::test]
async fn an_object_that_cannot_be_read_to_its_end_is_a_problem_with_the_store_s_own_words() {
    let live = FaultyStore::recording(Arc::new(MemoryStore::new()));
    let bucket = |name: &str| BucketName::new(name).unwrap();
    live.inner.create_bucket(&bucket("books")).await.unwrap();
    let at = Address::new(bucket("books"), Key::new("large").unwrap());
    let body = vec![7; 5 << 20].into();
    live.inner.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    for _ in 0..read_object::ATTEMPTS {
        live.fail("get", Fault::Breaks(100, ErrorKind::Denied));
    }
    let vault = Repository::init(Arc::new(MemoryStore::new()), bucket("vault"), Prefix::root()).await.unwrap().0;
    let context = Context {
        run: RunId::create(),
        host: String::new(),
        repository: vault,
        stores: BTreeMap::from([("live".to_owned(), live as Arc<dyn ObjectStore>)]),
        databases: BTreeMap::new(),
        spool: std::env::temp_dir(),
        progress: Arc::new(Silent),
        transfers: 1,
    };
    let source = Source { name: SourceName::new("live", &bucket("books")), prefixes: vec![Prefix::root()] };
    let id = BackupId::create(jiff::Timestamp::UNIX_EPOCH, BackupKind::Files);
    let (options, mut report) = (StoreOptions { codec: Codec::default(), workers: 1 }, Report::default());
    let files = back_up_files(&context, &id, &[source], &options, &FilesOptions::default(), &mut report).await.unwrap();
    assert_eq!((files.objects, report.problem_count), (0, 1));
    assert!(report.problems[0].reason.contains("access denied"), "{report:?}");
}
