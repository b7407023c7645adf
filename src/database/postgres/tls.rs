//! TLS to a server, verified as far as libpq's `sslmode` asks and no further.

use std::fs;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::target::{Target, Verification};
use crate::database::{DatabaseError, ErrorKind, Result};

pub(super) fn connector(target: &Target, subject: &str) -> Result<MakeRustlsConnect> {
    let invalid = |detail: String| DatabaseError::new(ErrorKind::Refused, "verify", subject).with_detail(detail);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let authority = match target.verification {
        Verification::VerifyCa | Verification::VerifyFull => {
            let certificates = roots(target.root_certificate.as_deref().unwrap_or("system")).map_err(invalid)?;
            Some(Authority::new(certificates, provider.clone(), target.verification).map_err(invalid)?)
        }
        _ => None,
    };
    let verifier = Arc::new(Verifier { authority, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(source: &str) -> std::result::Result<Vec<CertificateDer<'static>>, String> {
    if source == "system" {
        return Ok(rustls_native_certs::load_native_certs().certs);
    }
    let text = fs::read(source).map_err(|error| format!("sslrootcert {source:?}: {error}"))?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<std::result::Result<Vec<_>, _>>();
    certificates.map_err(|error| format!("sslrootcert {source:?}: {error}"))
}

#[derive(Debug)]
struct Authority {
    certificates: Vec<CertificateDer<'static>>,
    chain: Arc<WebPkiServerVerifier>,
    check_name: bool,
}

impl Authority {
    fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
        verification: Verification,
    ) -> std::result::Result<Self, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
        let chain = chain.map_err(|error| format!("the root certificates cannot be used: {error}"))?;
        Ok(Self { certificates, chain, check_name: verification == Verification::VerifyFull })
    }
}

/// Checks the handshake's signature always, the certificate only where the mode says so.
#[derive(Debug)]
struct Verifier {
    authority: Option<Authority>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        // A server's own self-signed certificate as its root, as small installations have it: trusted as it stands.
        if authority.certificates.iter().any(|trusted| trusted == end_entity) {
            if authority.check_name {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match authority.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !authority.check_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
