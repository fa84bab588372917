//! The handshakes of connections, and what their errors mean.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, Error, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::Tls;
use super::identity::names;
use crate::identity::PeerIdentity;
use crate::io::{CertificateFault, ConnectionError, Input};
use crate::tokio::connection::Connection;

impl Connection {
    /// Does the server's part of the handshake. `None` if that failed, which is reported, or is no longer wanted. How
    /// long it may take is for the core to say.
    pub(in crate::tokio) async fn secure_accepted(
        &mut self,
        stream: TcpStream,
        tls: Option<Tls>,
    ) -> Option<server::TlsStream<TcpStream>> {
        // The word of the driver that no limit refuses this connection, which costs nothing before that.
        self.queue.recv().await.as_ref()?;
        let Some(config) = tls.and_then(|tls| tls.server()) else {
            self.close(Some(&unsupported())).await;
            return None;
        };
        let handshake = TlsAcceptor::from(config).accept_with(stream, shrink);
        let secured = tokio::select! {
            secured = handshake => secured,
            // Nothing is queued before a request came, so this is the end of the queue.
            _ = self.queue.recv() => return None,
        };
        let stream = self.on_handshake(secured).await?;
        let peer = identity(stream.get_ref().1.peer_certificates());
        self.report_secured(peer).await.then_some(stream)
    }

    /// Does the client's part of the handshake, as above.
    pub(in crate::tokio) async fn secure_opened(
        &mut self,
        stream: TcpStream,
        remote: SocketAddr,
        server_name: Option<&str>,
        tls: Option<Tls>,
    ) -> Option<client::TlsStream<TcpStream>> {
        let Some(tls) = tls else {
            self.close(Some(&unsupported())).await;
            return None;
        };
        // RFC 5922 §7.2: what is compared is the domain of the URI, not what it resolved to.
        let name = match server_name {
            Some(name) => ServerName::try_from(name.to_owned()),
            None => Ok(ServerName::from(remote.ip().to_canonical())),
        };
        let Ok(name) = name else {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "not a name of a server");
            self.close(Some(&error)).await;
            return None;
        };
        let (config, verifies) = tls.client();
        let handshake = TlsConnector::from(config).connect(name, stream);
        let secured = tokio::select! {
            secured = handshake => secured,
            _ = self.queue.recv() => return None,
        };
        let stream = self.on_handshake(secured).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let peer = identity(certificates.filter(|_| verifies));
        self.report_secured(peer).await.then_some(stream)
    }

    async fn on_handshake<S>(&self, secured: io::Result<S>) -> Option<S> {
        match secured {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                self.close(Some(&error)).await;
                None
            }
        }
    }

    async fn report_secured(&self, peer: Option<Arc<PeerIdentity>>) -> bool {
        let connection = self.id;
        self.report(Input::Secured { connection, peer }).await
    }
}

/// What a telephone sends at once is small: no large buffer is held for a connection that does not read.
fn shrink(connection: &mut ServerConnection) {
    connection.set_buffer_limit(Some(64 * 1024));
}

fn unsupported() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "no certificates are configured for TLS",
    )
}

/// Verified by the handshake; without names it is somebody nonetheless.
fn identity(certificates: Option<&[CertificateDer<'_>]>) -> Option<Arc<PeerIdentity>> {
    let certificate = certificates?.first()?;
    Some(Arc::new(names(certificate).unwrap_or_default()))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of the library are open"
)]
/// What an error of a connection means, where the library of TLS reported it.
pub(in crate::tokio) fn connection_error(error: &io::Error) -> Option<ConnectionError> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(error) => ConnectionError::Certificate(fault(error)),
        Error::NoCertificatesPresented => ConnectionError::Certificate(CertificateFault::Missing),
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateRequired,
        ) => ConnectionError::OwnCertificate,
        _ => ConnectionError::Security,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of the library are open"
)]
const fn fault(error: &CertificateError) -> CertificateFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateFault::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotYetValid
        }
        CertificateError::UnknownIssuer => CertificateFault::UnknownAuthority,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::OtherName
        }
        _ => CertificateFault::Invalid,
    }
}
