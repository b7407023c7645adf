//! Leaves the evidence of a verification in the repository.

use jiff::Timestamp;

use super::Verified;
use crate::model::evidence::Extent;
use crate::model::manifest::FORMAT;
use crate::model::{Evidence, Manifest, Problem, Verdict};
use crate::steps::{Context, Result, StepError, with_causes};

/// Writes down what was found, and what kept the rest from being looked at.
pub async fn record(
    context: &Context,
    manifest: &Manifest,
    verified: &Verified,
    error: Option<&StepError>,
    started_at: Timestamp,
) -> Result<Evidence> {
    let finished_at = context.repository.now().await?;
    let recovery_point_at = recovery_point(manifest);
    let verdict = match (verified.damage, error, verified.sample) {
        (1.., _, _) => Verdict::Failed,
        (_, Some(_), _) => Verdict::Unfinished,
        (_, None, Some(_)) => Verdict::Sampled,
        (_, None, None) => Verdict::Passed,
    };
    let findings = verified.findings.iter().take(Evidence::MOST_FINDINGS);
    let evidence = Evidence {
        format: FORMAT,
        id: manifest.id.clone(),
        run: context.run.clone(),
        level: verified.level.as_str().to_owned(),
        verdict,
        ok: matches!(verdict, Verdict::Passed | Verdict::Sampled),
        host: context.host.clone(),
        dcs_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at,
        finished_at,
        components: verified.components.clone(),
        recovery_point_at,
        recovery_point_seconds: finished_at.duration_since(recovery_point_at).as_secs().try_into().unwrap_or_default(),
        compared: Extent {
            parts: verified.parts,
            bytes: verified.bytes,
            tables: verified.tables,
            rows: verified.rows,
            checks: verified.checks,
            objects: verified.objects,
            object_bytes: verified.object_bytes,
        },
        sample: verified.sample,
        damage: verified.damage,
        findings: findings.map(|finding| Problem::new(&finding.subject, &finding.reason)).collect(),
        error: error.map(|error| with_causes(error)),
    };
    context.repository.record(&evidence).await?;
    Ok(evidence)
}

/// From when the oldest data of a backup is.
fn recovery_point(manifest: &Manifest) -> Timestamp {
    let databases = manifest.databases.iter().map(|database| database.started_at);
    let files = manifest.files.iter().map(|files| files.started_at);
    databases.chain(files).min().unwrap_or(manifest.started_at)
}
