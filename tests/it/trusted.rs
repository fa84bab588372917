//! Peers that are trusted by the certificates that they show over TLS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sip_stack::auth::Policy;
use sip_stack::identity::Trust as TrustDomain;
use sip_stack::server::Server;
use sip_stack::transport::tokio::tls::{
    ClientCertificates, DevelopmentCertificate, Identity, Tls, TlsConfig, Trust,
};
use sip_stack::users::Memory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, client::TlsStream};

fn made(name: &str) -> DevelopmentCertificate {
    let address = "127.0.0.1".parse().unwrap();
    let life = Duration::from_secs(3600);
    DevelopmentCertificate::make(&[name], &[address], life, SystemTime::now()).unwrap()
}

/// Somebody who speaks TLS with the server, with a certificate or without.
struct Peer {
    stream: TlsStream<TcpStream>,
    name: &'static str,
    number: u32,
}

impl Peer {
    async fn connect(
        port: u16,
        server: &DevelopmentCertificate,
        name: &'static str,
        own: Option<&DevelopmentCertificate>,
    ) -> Self {
        let certificate = |made: &DevelopmentCertificate| {
            CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()
        };
        let mut roots = RootCertStore::empty();
        roots.add(certificate(server)).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate(own)], key)
                    .unwrap()
            }
        };
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let server = ServerName::try_from("example.test").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(server, stream)
            .await
            .unwrap();
        Self {
            stream,
            name,
            number: 0,
        }
    }

    /// Sends a request about bob and returns the first line of its final response.
    async fn ask(&mut self, method: &str, uri: &str, fields: &str) -> String {
        self.number += 1;
        let (name, number) = (self.name, self.number);
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS {name}.invalid;branch=z9hG4bK{name}{number}\r\n\
             From: <sip:carol@elsewhere.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: {name}{method}\r\n\
             CSeq: {number} {method}\r\nMax-Forwards: 70\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        self.stream.write_all(text.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let len = self.stream.read(&mut buffer).await.unwrap();
            assert!(len > 0, "closed");
            read.extend_from_slice(&buffer[..len]);
            let text = String::from_utf8_lossy(&read);
            let whole = text.strip_suffix("\r\n\r\n").unwrap_or_default();
            let last = whole.rsplit("\r\n\r\n").next().unwrap();
            if !last.is_empty() && !last.starts_with("SIP/2.0 1") {
                return last.lines().next().unwrap().to_owned();
            }
        }
    }
}

/// What a telephone receives, which answers 200.
async fn received(phone: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_536];
    let (len, from) = phone.recv_from(&mut buffer).await.unwrap();
    let request = String::from_utf8(buffer[..len].to_vec()).unwrap();
    let kept = [
        "via:", "v:", "from:", "f:", "to:", "t:", "call-id:", "i:", "cseq:",
    ];
    let mut answer = "SIP/2.0 200 OK\r\n".to_owned();
    for line in request.lines() {
        let lower = line.to_ascii_lowercase();
        if kept.iter().any(|name| lower.starts_with(name)) {
            answer += line;
            answer += if lower.starts_with('t') {
                ";tag=b\r\n"
            } else {
                "\r\n"
            };
        }
    }
    answer += "Content-Length: 0\r\n\r\n";
    phone.send_to(answer.as_bytes(), from).await.unwrap();
    request
}

#[tokio::test]
async fn rfc3325_5_a_peer_is_believed_by_the_name_in_its_certificate() {
    let (own, gateway, other) = (
        made("example.test"),
        made("gateway.test"),
        made("phone.test"),
    );
    let mut config = TlsConfig::default();
    config.identities =
        vec![Identity::pem(own.certificate.as_bytes(), own.key.as_bytes()).unwrap()];
    let clients = format!("{}{}", gateway.certificate, other.certificate);
    config.clients = ClientCertificates::Asked(Trust::pem(clients.as_bytes()).unwrap());
    let mut policy = Policy::default();
    policy.trusted_names = vec!["gateway.test".into()];
    let trust = Arc::new(TrustDomain::new().certificate("gateway.test"));
    let server = Server::builder()
        .domain("example.test")
        .tls(Tls::new(config).unwrap())
        .credentials(Memory::new("example.test").with("bob", "b-secret"))
        .policy(policy)
        .proxy(move |config| config.trust = Some(trust))
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .listen("tls:127.0.0.1:0")
        .unwrap()
        .build()
        .await
        .unwrap();
    let port = server.addresses()[1].1.port();
    tokio::spawn(server.run_until(std::future::pending()));

    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let contact = format!("Contact: <sip:bob@{}>\r\n", phone.local_addr().unwrap());
    let asserted = "P-Asserted-Identity: <sip:carol@elsewhere.test>\r\n";
    for (name, certificate, is_believed) in [
        ("gateway", Some(&gateway), true),
        // One of another name, though of an authority that is trusted, and one who shows none.
        ("phone", Some(&other), false),
        ("nobody", None, false),
    ] {
        let mut peer = Peer::connect(port, &own, name, certificate).await;
        // It need not know the password of bob.
        let register = peer.ask("REGISTER", "sip:example.test", &contact).await;
        let expected = if is_believed {
            "SIP/2.0 200"
        } else {
            "SIP/2.0 401"
        };
        assert!(register.starts_with(expected), "{name}: {register}");
        // Everybody reaches bob; whose word about who it is is taken, and whose is not.
        let (answer, request) = tokio::join!(
            peer.ask("MESSAGE", "sip:bob@example.test", asserted),
            received(&phone)
        );
        assert_eq!(answer, "SIP/2.0 200 OK", "{name}");
        let tells = request.contains("P-Asserted-Identity: <sip:carol@elsewhere.test>");
        assert_eq!(tells, is_believed, "{name}: {request}");
    }
}
