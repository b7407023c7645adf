//! What exists, and what of it is in no backup.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Live;
use crate::database::Database;
use crate::model::{BucketName, Problem};
use crate::repository::Repository;
use crate::steps::sources::is_own;
use crate::steps::with_causes;

/// The buckets of each live store but the repository's own. With `all` false, of those only that are backed up whole. A
/// store that does not answer is a problem, and missing here.
pub(super) async fn buckets(
    repository: &Repository,
    live: &Live,
    all: bool,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Vec<BucketName>> {
    let mut found = BTreeMap::new();
    let is_whole = |name: &str| live.files.iter().any(|source| source.store == name && source.bucket.is_none());
    for (name, store) in live.stores.iter().filter(|(name, _)| all || is_whole(name)) {
        let listed = async {
            let mut others = Vec::new();
            for bucket in store.buckets().await? {
                if !is_own(repository, store, &bucket).await? {
                    others.push(bucket);
                }
            }
            crate::steps::Result::Ok(others)
        };
        match listed.await {
            Ok(buckets) => drop(found.insert(name.clone(), buckets)),
            Err(error) => problems.push(Problem::new(format!("store {name}"), with_causes(&error))),
        }
    }
    found
}

/// Buckets that no source names, databases of the configuration that are not backed up, and others on their servers.
pub(super) async fn unprotected(
    live: &Live,
    buckets: &BTreeMap<String, Vec<BucketName>>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (store, buckets) in buckets {
        let is_named = |bucket: &BucketName| {
            let mut sources = live.files.iter().filter(|source| source.store == *store);
            sources.any(|source| source.bucket.as_ref().is_none_or(|named| named == bucket))
        };
        found
            .extend(buckets.iter().filter(|bucket| !is_named(bucket)).map(|bucket| format!("bucket {store}/{bucket}")));
    }
    let left_out = live.known_databases.keys().filter(|name| !live.databases.contains(*name));
    found.extend(left_out.map(|name| format!("database {name}")));
    let mut asked: Vec<String> = Vec::new();
    for (name, database) in &live.known_databases {
        let server = server_of(database);
        if asked.contains(&server) {
            continue;
        }
        match database.neighbours().await {
            Ok(neighbours) => {
                let others = neighbours.iter().filter(|other| !is_known(live, &server, other));
                found.extend(others.map(|other| format!("database {other} on {server}")));
                asked.push(server);
            }
            Err(error) => problems.push(Problem::new(format!("database {name}"), with_causes(&error))),
        }
    }
    found
}

fn is_known(live: &Live, server: &str, name: &str) -> bool {
    live.known_databases.values().any(|known| known.database() == name && server_of(known) == server)
}

/// Host and port, whoever connects.
fn server_of(database: &Arc<dyn Database>) -> String {
    let text = database.describe();
    let (place, query) = text.split_once('?').unwrap_or((&text, ""));
    let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let host = host.rsplit_once('/').map_or(host, |(host, _)| host);
    if query.is_empty() { host.to_owned() } else { format!("{host}?{query}").trim_start_matches('?').to_owned() }
}
