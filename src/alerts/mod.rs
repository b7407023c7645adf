//! Telling people and machines how a run ended: by mail, by webhook, by ping. Nothing here is tried twice, everything has a
//! time limit, and no error holds a secret.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use crate::model::alert::{Alerts, Occasion};
use crate::model::{RunRecord, Secret};

mod http;
mod mail;

/// What is told of a run.
pub struct Alert<'a> {
    pub record: &'a RunRecord,
    pub occasion: Occasion,
}

/// The document that a webhook gets: all facts, and a `text` for chats.
#[derive(Serialize)]
struct Document<'a> {
    text: String,
    occasion: Occasion,
    #[serde(flatten)]
    record: &'a RunRecord,
}

impl Alert<'_> {
    /// `dcs backup files on vps1: failed (exit code 20)`
    fn subject(&self) -> String {
        let RunRecord { command, host, exit_code, .. } = self.record;
        format!("dcs {command} on {host}: {} (exit code {exit_code})", self.occasion.as_str())
    }

    /// The subject, and why and what to do.
    fn text(&self) -> String {
        let mut text = self.subject();
        if let Some(message) = &self.record.message {
            text.push_str(&format!("\n{message}"));
        }
        self.record.causes.iter().for_each(|cause| text.push_str(&format!("\nbecause: {cause}")));
        self.record.hints.iter().for_each(|hint| text.push_str(&format!("\nhint: {hint}")));
        text
    }
}

/// Says that a run begins, to whom pings go. Answers why it could not.
pub async fn ping_start(alerts: &Alerts, command: &str) -> Option<String> {
    let ping = alerts.ping_of(command)?;
    let sent = http::send(ping, Some("start"), http::TEXT, Vec::new());
    failure("ping", &ping.host, &ping.url, alerts.timeout(), sent).await
}

/// Tells everybody who is to be told, all at once. Answers what failed.
pub async fn send(alerts: &Alerts, alert: &Alert<'_>) -> Vec<String> {
    let (limit, is_wanted) = (alerts.timeout(), alert.occasion.is_wanted(&alerts.on));
    let mut all: Vec<futures_util::future::BoxFuture<'_, Option<String>>> = Vec::new();
    if let Some(server) = alerts.email.as_ref().filter(|_| is_wanted) {
        let none = Secret::new("");
        let secret = server.login.as_ref().map_or(none, |(_, password)| password.clone());
        let sent = mail::send(server, alert.subject(), mail_text(alert), limit);
        all.push(Box::pin(async move { failure("mail", &server.host, &secret, limit, sent).await }));
    }
    if let Some(hook) = alerts.webhook.as_ref().filter(|_| is_wanted) {
        let document = Document { text: alert.text(), occasion: alert.occasion, record: alert.record };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let sent = http::send(hook, None, http::JSON, body);
        all.push(Box::pin(failure("webhook", &hook.host, &hook.url, limit, sent)));
    }
    if let Some(ping) = alerts.ping_of(&alert.record.command) {
        let code = alert.record.exit_code;
        let end = (code != 0).then(|| code.to_string());
        let sent = async move { http::send(ping, end.as_deref(), http::TEXT, alert.text().into_bytes()).await };
        all.push(Box::pin(failure("ping", &ping.host, &ping.url, limit, sent)));
    }
    join_all(all).await.into_iter().flatten().collect()
}

/// Waits for something to be sent, and says why it was not.
async fn failure(
    what: &str,
    host: &str,
    secret: &Secret,
    limit: Duration,
    sent: impl Future<Output = Result<(), String>>,
) -> Option<String> {
    let reason = match tokio::time::timeout(limit, sent).await {
        Ok(Ok(())) => return None,
        Ok(Err(reason)) => reason,
        Err(_) => format!("no answer within {} s", limit.as_secs()),
    };
    // A server may repeat what it was told.
    let reason = if secret.expose().is_empty() { reason } else { reason.replace(secret.expose(), "***") };
    Some(format!("the {what} to {host} was not sent: {reason}"))
}

fn mail_text(alert: &Alert<'_>) -> String {
    let record = alert.record;
    let mut text = format!("{}\n\n", alert.text());
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<12} {value}\n"));
    line("command", format!("dcs {}", record.arguments));
    line("host", record.host.clone());
    line("user", record.user.clone());
    line("began", record.started_at.to_string());
    line("ended", record.finished_at.to_string());
    line("run", record.run.to_string());
    if let Some(backup) = &record.backup {
        line("backup", backup.to_string());
    }
    for (name, count) in [("objects", record.facts.objects), ("bytes", record.facts.bytes)] {
        if let Some(count) = count {
            line(name, count.to_string());
        }
    }
    if record.facts.problems > 0 {
        line("problems", record.facts.problems.to_string());
    }
    line("dcs", record.dcs_version.clone());
    text
}
