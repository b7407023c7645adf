//! A mail over SMTP.

use std::path::Path;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::http::chain;
use crate::model::alert::{MailServer, SmtpSecurity};

/// Sends a text to all who are to have it, in one mail.
pub(super) async fn send(server: &MailServer, subject: String, text: String, limit: Duration) -> Result<(), String> {
    let mut mail: MessageBuilder = Message::builder().from(mailbox(&server.from)?).subject(subject).message_id(None);
    for to in &server.to {
        mail = mail.to(mailbox(to)?);
    }
    let mail = mail.header(ContentType::TEXT_PLAIN).body(text).map_err(|error| chain(&error))?;
    let transport = transport(server, limit)?;
    transport.send(mail).await.map(drop).map_err(|error| chain(&error))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("{text:?} is no mail address: {error}"))
}

fn transport(server: &MailServer, limit: Duration) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let tls = match server.security {
        SmtpSecurity::Tls => Tls::Wrapper(parameters(server)?),
        SmtpSecurity::StartTls => Tls::Required(parameters(server)?),
        SmtpSecurity::Plain => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
        .port(server.port)
        .timeout(Some(limit))
        .tls(tls);
    if let Some((user, password)) = &server.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

fn parameters(server: &MailServer) -> Result<TlsParameters, String> {
    let mut parameters = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.ca_file {
        for certificate in certificates(path)? {
            parameters = parameters.add_root_certificate(certificate);
        }
    }
    parameters.build().map_err(|error| chain(&error))
}

/// The certificates of a file in PEM form.
fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let failed = |reason: String| format!("cannot read the certificates of {}: {reason}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let end = "-----END CERTIFICATE-----";
    let parts = text.split_inclusive(end).filter(|part| part.contains("-----BEGIN CERTIFICATE-----"));
    parts.map(|part| Certificate::from_pem(part.as_bytes()).map_err(|error| failed(chain(&error)))).collect()
}
