use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::generate_simple_self_signed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// A server that answers by the path, and how often it was asked.
struct Server {
    port: u16,
    certificate: String,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut buffer = [0; 4096];
                    let len = stream.read(&mut buffer).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&buffer[..len]).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default();
                    let (status, fields, body) = match path {
                        "/good" => ("200 OK", "", vec![b'c'; 3000]),

                        "/moved" => ("302 Found", "Location: /good\r\n", Vec::new()),
                        "/large" => ("200 OK", "", vec![b'l'; LARGEST + 1]),
                        "/silent" => std::future::pending().await,
                        _ => ("404 Not Found", "", Vec::new()),
                    };
                    let head = format!(
                        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&body).await;
                });
            }
        });
        Self {
            port,
            certificate: made.cert.pem(),
            asked,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    fn fetcher(&self) -> CertificateFetcher {
        let fetcher = CertificateFetcher::trusting(self.certificate.as_bytes()).unwrap();
        fetcher.danger_anywhere()
    }
}

#[tokio::test]
async fn rfc8224_7_2_certificates_are_fetched_once_and_remembered() {
    let server = Server::start().await;
    let fetcher = server.fetcher();
    for _ in 0..3 {
        let found = fetcher.certificates(&server.url("/good")).await.unwrap();
        assert_eq!(&*found, vec![b'c'; 3000]);
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    // What is not there is remembered too.
    for _ in 0..3 {
        assert_eq!(fetcher.certificates(&server.url("/none")).await, None);
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_too_large_too_slow_or_elsewhere_is_not_had() {
    let server = Server::start().await;
    let mut fetcher = server.fetcher();
    Arc::get_mut(&mut fetcher.inner).unwrap().patience = Duration::from_millis(200);
    for path in ["/large", "/moved", "/silent"] {
        assert_eq!(
            fetcher.certificates(&server.url(path)).await,
            None,
            "{path}"
        );
    }
    // Without TLS, of another host than the certificate is for, and what is no address.
    for url in [
        format!("http://localhost:{}/good", server.port),
        format!("https://127.0.0.1:{}/good", server.port),
        "https://".to_owned(),
        "cid:x".to_owned(),
        server.url(&format!("/{}", "a".repeat(2000))),
    ] {
        assert_eq!(fetcher.certificates(&url).await, None, "{url}");
    }
    // A server that nobody vouches for.
    let other = Server::start().await;
    assert_eq!(fetcher.certificates(&other.url("/good")).await, None);
}

#[tokio::test]
async fn callers_do_not_make_it_ask_machines_of_this_network() {
    let server = Server::start().await;
    let fetcher = CertificateFetcher::trusting(server.certificate.as_bytes()).unwrap();
    assert_eq!(fetcher.certificates(&server.url("/good")).await, None);
    assert_eq!(fetcher.certificates("https://localhost/good").await, None);
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
    for (address, expected) in [
        ("192.0.2.1", false),
        ("10.1.2.3", false),
        ("172.16.0.1", false),
        ("169.254.169.254", false),
        ("100.64.0.1", false),
        ("127.0.0.1", false),
        ("::1", false),
        ("::ffff:10.0.0.1", false),
        ("fd00::1", false),
        ("fe80::1", false),
        ("2002:a00:1::", false),
        ("9.9.9.9", true),
        ("2620:fe::fe", true),
    ] {
        assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
    }
}

#[tokio::test]
async fn a_flood_of_addresses_does_not_queue_or_grow() {
    let server = Server::start().await;
    let fetcher = server.fetcher();
    let slots = fetcher.inner.slots.acquire_many(16).await.unwrap();
    assert_eq!(fetcher.certificates(&server.url("/good")).await, None);
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
    drop(slots);
    let now = Instant::now();
    let found: Arc<[u8]> = Arc::from(&b"x"[..]);
    fetcher
        .inner
        .keep("kept".to_owned(), Some(found), now + USUAL, now);
    for number in 0..5000 {
        fetcher
            .inner
            .keep(number.to_string(), None, now + SHORTEST, now);
    }
    let cache = fetcher.inner.cache.lock().unwrap();
    assert!(cache.len() <= MOST_CACHED && cache.contains_key("kept"));
}

#[test]
fn rfc9111_5_2_2_servers_say_how_long_it_holds() {
    let fresh = |text| freshness(Some(&header::HeaderValue::from_static(text)));
    assert_eq!(freshness(None), USUAL);
    assert_eq!(fresh("public, max-age=7200"), Duration::from_secs(7200));
    assert_eq!(fresh("max-age=0"), SHORTEST);
    assert_eq!(fresh("max-age=7200, no-store"), SHORTEST);
    assert_eq!(fresh("max-age=99999999"), LONGEST);
    assert_eq!(CertificateFetcher::trusting(b"").unwrap_err(), NoAuthority);
}
