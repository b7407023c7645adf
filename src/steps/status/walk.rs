//! Goes through the backups, newest first, and reads no more manifests than tell the newest good and the newest proven
//! backup of everything.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::components::{Component, Good, PassedOver, Proven, Standing, Wanted, seconds_between};
use crate::model::{BackupId, BackupKind, Evidence, Manifest};
use crate::repository::evidence::Proof;
use crate::repository::{ErrorKind, Repository};
use crate::steps::Result;

struct Walk {
    wanted: Wanted,
    /// Kinds whose newest backup was read, to learn what there is.
    read_kinds: Vec<BackupKind>,
    standings: Vec<Standing>,
    now: Timestamp,
}

pub(super) async fn walk(repository: &Repository, mut wanted: Wanted, now: Timestamp) -> Result<Vec<Standing>> {
    let proofs = repository.proofs().await?;
    let standings = std::mem::take(&mut wanted.components).into_iter().map(Standing::new).collect();
    let mut walk = Walk { wanted, read_kinds: Vec::new(), standings, now };
    let mut ids = repository.backup_ids().await?;
    ids.reverse();
    for id in &ids {
        let proof = proofs.get(id).cloned().unwrap_or_default();
        if !walk.needs(id, &proof) {
            continue;
        }
        match repository.manifest(id).await {
            Ok(manifest) => {
                let flaw = repository.why_not_good(&manifest).await?;
                walk.take(&manifest, &proof, flaw);
            }
            // Of a run that goes on, or was interrupted.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) if matches!(error.kind, ErrorKind::Damaged | ErrorKind::Unsupported) => {
                walk.pass_over(id, &error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut standings = walk.standings;
    measure_restores(repository, &mut standings).await?;
    Ok(standings)
}

impl Walk {
    /// Whether the manifest may tell anything new.
    fn needs(&self, id: &BackupId, proof: &Proof) -> bool {
        let is_proven = matches!(proof, Proof::Proven { .. });
        let may_teach = !self.read_kinds.contains(&id.kind()) && self.wanted.discover.takes_any();
        may_teach
            || self.standings.iter().any(|standing| {
                let is_open = standing.good.is_none() || (is_proven && standing.proven.is_none());
                is_open && standing.component.may_be_in(id)
            })
    }

    fn take(&mut self, manifest: &Manifest, proof: &Proof, flaw: Option<String>) {
        self.learn(manifest);
        let (id, now) = (&manifest.id, self.now);
        // What a verification found to be damaged is not what a restore should take.
        let failed = match proof {
            Proof::Failed { level, .. } => Some(PassedOver {
                id: id.clone(),
                reason: format!("its verification failed (level {level})"),
                next: format!("dcs verify {id} --level {level}"),
            }),
            _ => None,
        };
        let flaw =
            flaw.map(|reason| PassedOver { id: id.clone(), reason, next: format!("dcs backup show {id}") }).or(failed);
        for standing in self.standings.iter_mut().filter(|standing| standing.component.is_in(manifest)) {
            match &flaw {
                _ if standing.good.is_some() => {}
                None => {
                    standing.good = Some(Good {
                        id: id.clone(),
                        started_at: manifest.started_at,
                        age_seconds: seconds_between(manifest.started_at, now),
                        took_seconds: seconds_between(manifest.started_at, manifest.finished_at),
                    });
                }
                Some(flaw) => {
                    standing.passed_over.get_or_insert_with(|| flaw.clone());
                }
            }
            if let (Proof::Proven { at }, None) = (proof, &standing.proven) {
                let age_seconds = seconds_between(*at, now);
                standing.proven = Some(Proven { id: id.clone(), at: *at, age_seconds, restore_seconds: None });
            }
        }
    }

    /// Takes in what nothing but a backup tells.
    fn learn(&mut self, manifest: &Manifest) {
        if self.read_kinds.contains(&manifest.id.kind()) {
            return;
        }
        self.read_kinds.push(manifest.id.kind());
        for component in Component::all_in(manifest) {
            let is_new = !self.standings.iter().any(|standing| standing.component == component);
            if is_new && self.wanted.discover.takes(&component) {
                self.standings.push(Standing::new(component));
            }
        }
    }

    /// Notes a backup that cannot be read, for whatever it may hold.
    fn pass_over(&mut self, id: &BackupId, reason: &str) {
        let next = format!("dcs verify {id}");
        let flaw = PassedOver { id: id.clone(), reason: reason.to_owned(), next };
        for standing in &mut self.standings {
            if standing.good.is_none() && standing.component.may_be_in(id) {
                standing.passed_over.get_or_insert_with(|| flaw.clone());
            }
        }
    }
}

/// Adds what the proofs measured: one piece of evidence for each backup that is the newest proven one of anything.
async fn measure_restores(repository: &Repository, standings: &mut [Standing]) -> Result<()> {
    let mut read: BTreeMap<BackupId, Option<Evidence>> = BTreeMap::new();
    for standing in standings {
        let Some(proven) = &mut standing.proven else { continue };
        if !read.contains_key(&proven.id) {
            let (_, evidence) = repository.proof(&proven.id).await?;
            read.insert(proven.id.clone(), evidence);
        }
        let Some(Some(evidence)) = read.get(&proven.id) else { continue };
        proven.restore_seconds = match standing.component.in_evidence() {
            None => Some(evidence.seconds()),
            Some(name) => evidence.components.iter().find(|one| one.name == name).map(|one| one.seconds),
        };
    }
    Ok(())
}
