//! TLS on the listener for operators: its certificate, those of its clients, and its limits.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use testing::home::Home;
use testing::http::peek;
use testing::patience::{PATIENCE, until};
use testing::program::run;
use testing::server::{Ready, Server};

use crate::operator_listener::{is_answered_at_the_end, operators};
use crate::reload::reload;

/// An authority that signs certificates.
struct Signer {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
struct Pair {
    certificate: String,
    key: String,
}

impl Signer {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    fn server(&self) -> Pair {
        self.sign(&["localhost", "register.example.com"], |_| {})
    }
}

const TLS: &str = "[operator_tls]\ncert_file = \"operators.crt\"\nkey_file = \"operators.key\"\n";
const CLIENTS: &str = "client_ca_file = \"clients.pem\"\n";

/// A home whose listener for operators speaks TLS.
fn secure(before: &str, behind: &str, pair: &Pair) -> Home {
    let home = Home::new(&format!("{before}{TLS}{behind}"));
    write(&home, pair);
    home
}

fn write(home: &Home, pair: &Pair) {
    home.write("operators.crt", &pair.certificate);
    home.write("operators.key", &pair.key);
}

fn address(home: &Home) -> SocketAddr {
    operators(home).parse().unwrap()
}

/// A client that trusts an authority, finds the names at the address, and shows a certificate if it has one.
fn client(authority: &Signer, address: SocketAddr, own: Option<&Pair>) -> reqwest::Client {
    let trusted = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let mut client =
        reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().pool_max_idle_per_host(0);
    for name in ["localhost", "register.example.com", "other.example.com"] {
        client = client.resolve(name, address);
    }
    if let Some(Pair { certificate, key }) = own {
        client =
            client.identity(reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap());
    }
    client.build().unwrap()
}

/// The status of a request for `/me` by the name, or nothing if there is no answer.
async fn status(client: &reqwest::Client, name: &str, address: SocketAddr) -> Option<u16> {
    let url = format!("https://{name}:{}/me", address.port());
    client.get(url).send().await.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_are_answered_over_tls_alone() {
    let authority = Signer::new("authority");
    let hosts = "operator_listen = \"0.0.0.0:0\"\noperator_hosts = [\"register.example.com\"]\n";
    let pair = authority.sign(&["localhost", "register.example.com", "other.example.com"], |_| {});
    let home = secure(hosts, "", &pair);
    let server = home.serve();
    let port = address(&home).port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let trusting = client(&authority, address, None);
    assert_eq!(status(&trusting, "localhost", address).await, Some(401));
    assert_eq!(status(&trusting, "register.example.com", address).await, Some(401));
    assert_eq!(
        status(&trusting, "other.example.com", address).await,
        Some(421),
        "HTTP/2 has it as :authority"
    );
    let me = format!("https://localhost:{port}/me");
    let answer =
        trusting.get(&me).header("origin", format!("https://localhost:{port}")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (401, reqwest::Version::HTTP_2));
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let answer = trusting.get(&me).header("origin", format!("http://localhost:{port}")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 403);
    // Whoever does not speak TLS, or trusts somebody else, hears nothing of the API.
    assert!(peek(address, "/me").is_none_or(|(status, _)| status == 400));
    assert_eq!(status(&client(&Signer::new("stranger"), address, None), "localhost", address).await, None);
    assert_eq!(status(&trusting, "localhost", address).await, Some(401), "and others are still answered");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_clients_with_a_valid_certificate_get_through_the_handshake() {
    let (authority, stranger) = (Signer::new("clients"), Signer::new("clients"));
    let servers = Signer::new("servers");
    let home = secure("", CLIENTS, &servers.server());
    home.write("clients.pem", &[Signer::new("another").pem, authority.pem.clone()].concat());
    let server = home.serve();
    let address = address(&home);
    let anna = authority.sign(&["anna"], |_| {});
    let usage = |usage| move |params: &mut CertificateParams| params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["anna".to_owned()]).unwrap().self_signed(&key).unwrap();
    for (what, own, expected) in [
        ("good", Some(authority.sign(&["anna"], |_| {})), Some(401)),
        (
            "for clients",
            Some(authority.sign(&["anna"], usage(ExtendedKeyUsagePurpose::ClientAuth))),
            Some(401),
        ),
        ("none", None, None),
        (
            "expired",
            Some(authority.sign(&["anna"], |params| params.not_after = date_time_ymd(2020, 1, 1))),
            None,
        ),
        (
            "early",
            Some(authority.sign(&["anna"], |params| params.not_before = date_time_ymd(4000, 1, 1))),
            None,
        ),
        ("for servers", Some(authority.sign(&["anna"], usage(ExtendedKeyUsagePurpose::ServerAuth))), None),
        ("of an authority of the same name", Some(stranger.sign(&["anna"], |_| {})), None),
        ("of the server's authority", Some(servers.sign(&["anna"], |_| {})), None),
        ("of nobody", Some(Pair { certificate: own.pem(), key: key.serialize_pem() }), None),
    ] {
        let client = client(&servers, address, own.as_ref());
        assert_eq!(status(&client, "localhost", address).await, expected, "{what}");
    }
    let requests = home.log().lines().filter(|line| line.contains("\"route\":\"/me\"")).count();
    assert_eq!(requests, 2, "no request of the others was looked at");

    // The commands show a certificate, too.
    run(&mut home.command(&["operator", "create", "anna", "--role", "support"])).ok();
    let token = run(&mut home.command(&["operator", "token", "anna"])).ok();
    let token = home.write("anna.token", &token).display().to_string();
    let trusted = home.write("servers.pem", &servers.pem).display().to_string();
    let own = home.write("anna.pem", &[anna.certificate, anna.key].concat()).display().to_string();
    let url = format!("https://localhost:{}", address.port());
    let words = ["user", "find", "--name", "Nobody", "--json", "--url", &url, "--token-file", &token];
    let found = |more: &[&str]| run(&mut home.bare(&[&words[..], more].concat()));
    let all = ["--ca-file", &trusted, "--certificate-file", &own];
    assert_eq!(found(&all).json(), serde_json::json!([]));
    for more in [&all[..2], &all[2..]] {
        assert!(found(more).refusal().contains("cannot reach"));
    }
    for (option, file) in
        [("--ca-file", &token), ("--certificate-file", &trusted), ("--ca-file", &"no".to_owned())]
    {
        assert!(found(&[option, file]).refusal().contains(file.as_str()));
    }
    server.stop();
}

/// A connection of TLS without HTTP.
fn handshake(address: SocketAddr, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let tls = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(tls, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

/// A client that speaks HTTP/1.1, keeps its sessions, and shows a certificate if it has one.
fn raw_client(authority: &Signer, own: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    Arc::new(match own {
        None => config.with_no_client_auth(),
        Some(Pair { certificate, key }) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    })
}

/// A session that is resumed would bring no certificate.
#[test]
fn the_certificate_of_a_client_is_verified_for_every_connection() {
    let authority = Signer::new("authority");
    let anna = authority.sign(&["anna"], |_| {});
    for (behind, own, second) in
        [("", None, HandshakeKind::Resumed), (CLIENTS, Some(&anna), HandshakeKind::Full)]
    {
        let home = secure("", behind, &authority.server());
        home.write("clients.pem", &authority.pem);
        let server = home.serve();
        let config = raw_client(&authority, own);
        for expected in [HandshakeKind::Full, second] {
            let mut stream = handshake(address(&home), &config);
            stream.write_all(b"GET /me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
            assert_eq!(stream.conn.handshake_kind(), Some(expected), "{behind}");
        }
        server.stop();
    }
}

#[test]
fn a_request_in_flight_over_tls_is_answered_after_sigterm() {
    let authority = Signer::new("authority");
    let home = secure("shutdown_timeout_seconds = 600\n", "", &authority.server());
    let server = home.serve();
    let address = address(&home);
    let stream = handshake(address, &raw_client(&authority, None));
    is_answered_at_the_end(server, stream, || TcpStream::connect(address).is_ok());
}

/// Whoever says nothing, before TLS or after, takes a place for a while, and none of the clients'.
#[test]
fn connections_over_tls_are_bounded_and_silent_ones_closed() {
    let authority = Signer::new("authority");
    let limits = "limits.operator_connections_per_address = 6\nlimits.first_request_seconds = 4\n\
        head_timeout_seconds = 3600\n";
    let home = secure(limits, "", &authority.server());
    let server = home.serve();
    let (address, config) = (address(&home), raw_client(&authority, None));
    let mut open: Vec<TcpStream> = (0..3).map(|_| handshake(address, &config).sock).collect();
    let refused = until("a connection to be refused", || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let mut said = [0; 100];
        match stream.read(&mut said) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                open.push(stream);
                Err(format!("{} are open", open.len()))
            }
            Ok(count) => Ok(said[..count].to_vec()),
            Err(_) => Ok(Vec::new()),
        }
    });
    assert_eq!(String::from_utf8_lossy(&refused), "", "in clear nothing is said");
    assert!(open.len() <= 6, "{} are open", open.len());
    assert_eq!(peek(server.address, "/healthz").unwrap().0, 200);
    for mut stream in open {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = stream.read_to_end(&mut Vec::new());
        let is_late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!end.as_ref().is_err_and(is_late), "{end:?}");
    }
    let mut stream = handshake(address, &config);
    stream.write_all(b"GET /me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_authorities_are_exchanged_and_bad_ones_are_not() {
    let (servers, others) = (Signer::new("servers"), Signer::new("others"));
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    let home = secure("", CLIENTS, &servers.server());
    home.write("clients.pem", &first.pem);
    let server: Server = Server::start(home.command(&["serve"]), &home.path("server"), Ready::Answers);
    let address = address(&home);
    let [anna, berta] = [&first, &second].map(|signer| signer.sign(&["somebody"], |_| {}));
    // The same clients throughout: they could resume their sessions.
    let old = client(&servers, address, Some(&anna));
    let new = client(&others, address, Some(&berta));
    let answers = async || {
        let [old, new] = [status(&old, "localhost", address).await, status(&new, "localhost", address).await];
        [old == Some(401), new == Some(401)]
    };
    assert_eq!(answers().await, [true, false]);
    // Under other names, because these settings are read again, too.
    let config = std::fs::read_to_string(home.path("investord.toml")).unwrap();
    home.write(
        "investord.toml",
        &config.replace("\"operators.", "\"others.").replace("clients.pem", "newer.pem"),
    );
    let Pair { certificate, key } = others.server();
    home.write("others.crt", &certificate);
    home.write("others.key", &key);
    home.write("newer.pem", &second.pem);
    let said = reload(&home, &server, &[("operator_tls", "reloaded")]);
    assert!(said.iter().all(|line| !line["settings"].is_string()), "nothing waits for a restart: {said:?}");
    assert_eq!(answers().await, [false, true]);
    let expiry = server.metric("investord_operator_tls_certificate_expiry_timestamp_seconds");
    assert!(expiry > 60_000_000_000.0, "{expiry}");
    home.write("newer.pem", "nothing");
    reload(&home, &server, &[("operator_tls.client_ca_file", "not reloaded")]);
    home.write("newer.pem", &first.pem);
    home.write("others.key", &anna.key);
    reload(&home, &server, &[("operator_tls.key_file", "not reloaded")]);
    assert_eq!(answers().await, [false, true]);
    server.stop();
}
