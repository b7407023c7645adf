//! One POST, over TLS as the system trusts it. No proxy, no redirect.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::model::alert::HookUrl;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Posts a body to the address, or to what lies below it. Anything but a 2xx is a failure.
pub(super) async fn send(
    hook: &HookUrl,
    below: Option<&str>,
    content_type: &'static str,
    body: Vec<u8>,
) -> Result<(), String> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(address(hook.url.expose(), below))
        .header(header::CONTENT_TYPE, content_type)
        .header(header::USER_AGENT, concat!("dcs/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)));
    // What is wrong with the address is not said with the address.
    let request = request.map_err(|_| "its address is none".to_owned())?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls(hook)?).https_or_http().enable_http1().wrap_connector(tcp);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let answer = client.request(request).await.map_err(|error| chain(&error))?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}

/// The address with a segment below its path, before what may follow a `?`.
fn address(url: &str, below: Option<&str>) -> String {
    let Some(below) = below else { return url.to_owned() };
    let (path, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    format!("{}/{below}{query}", path.trim_end_matches('/'))
}

/// The system's certificates and those of the file; none where nothing is encrypted.
fn tls(hook: &HookUrl) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if hook.url.expose().starts_with("https:") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &hook.ca_file {
            add(&mut roots, path)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| error.to_string())?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let failed = |reason: String| format!("cannot read the certificates of {}: {reason}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// An error with its causes, each once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_an_address_goes_before_its_query() {
        assert_eq!(address("https://h/ping/x/", Some("start")), "https://h/ping/x/start");
        assert_eq!(address("https://h/ping/x?rid=1", Some("20")), "https://h/ping/x/20?rid=1");
        assert_eq!(address("https://h/x/?a=b", None), "https://h/x/?a=b");
    }
}
