//! Nobody is attacked through us: what addresses a webhook may have, and what is connected to, seen at the socket.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;
use investord::config::Webhooks;
use investord::outbound::{self, Outbound};
use investord::worker::dispatcher;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::json;
use testing::app::TestApp;
use testing::bodies;
use testing::receiver::{Act, Receiver};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Addresses in which nobody's public server is, of every kind.
const NOT_PUBLIC_V4: [&str; 15] = [
    "127.0.0.1", "127.8.9.10", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.0.1",
    "192.168.255.254", "169.254.169.254", "100.64.0.1", "198.18.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1",
    "255.255.255.255",
];
const NOT_PUBLIC_V6: [&str; 14] = [
    "::1", "::", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "2001:db8::1", "2002:7f00:1::1",
    "0:0:0:0:0:0:0:1",
];
const PUBLIC: [&str; 2] = ["8.8.8.8", "2a00:1450::1"];
/// Set in the process that has a network of its own.
const ALONE: &str = "INVESTORD_TEST_ALONE";

/// How people write an IPv4 address where a name is expected: all that browsers and C libraries understand.
fn spellings(address: &str) -> Vec<String> {
    let [a, b, c, d] = address.parse::<Ipv4Addr>().unwrap().octets();
    let number = u32::from_be_bytes([a, b, c, d]);
    let (half, rest) = (u16::from_be_bytes([c, d]), number & 0x00ff_ffff);
    let wide = |text: &str| text.replace('.', "\u{3002}").replace('1', "\u{ff11}").replace('0', "\u{24ea}");
    vec![
        address.to_owned(),
        format!("{address}."),
        format!("{number}"),
        format!("{number:#x}"),
        format!("{number:#X}"),
        format!("0{number:o}"),
        format!("{a}.{rest}"),
        format!("{a}.{b}.{half}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0000{a:o}.{b}.{c}.{d}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("{a:#x}.0{rest:o}"),
        format!("%3{}{}", a.to_string().remove(0), &address[1..]),
        wide(address),
        format!("[::ffff:{address}]"),
        format!("[::FFFF:{:x}:{half:x}]", u16::from_be_bytes([a, b])),
        format!("[0:0:0:0:0:ffff:{address}]"),
        format!("[::{address}]"),
        format!("[64:ff9b::{address}]"),
    ]
}

/// Hosts that are addresses, in every spelling; public ones are no names either.
fn hosts() -> Vec<String> {
    let v4 = NOT_PUBLIC_V4.iter().chain(&PUBLIC[..1]).flat_map(|address| spellings(address));
    let v6 = NOT_PUBLIC_V6.iter().chain(&PUBLIC[1..]).map(|address| format!("[{address}]"));
    v4.chain(v6).collect()
}

/// Urls by which an address might pass for something else.
fn disguises(port: u16) -> Vec<String> {
    [
        "https://user@127.0.0.1:PORT/",
        "https://example.com@127.0.0.1:PORT/",
        "https://example.com:443@127.0.0.1:PORT/",
        "https://example.com%40@127.0.0.1:PORT/",
        "https://user:word@localhost:PORT/",
        "https:127.0.0.1:PORT/",
        "https:/127.0.0.1:PORT/",
        "https:///127.0.0.1:PORT/",
        "https:\\\\127.0.0.1:PORT\\",
        " https://127.0.0.1:PORT/ ",
        "ht\ttps://127.0\n.0.1:PORT/",
        "HTTPS://127.0.0.1:PORT/",
        "http://localhost:PORT/",
        "http://example.com:PORT/",
        "HTTP://127.0.0.1:PORT/",
        "ftp://127.0.0.1:PORT/",
        "gopher://127.0.0.1:PORT/",
        "ws://127.0.0.1:PORT/",
        "unix://127.0.0.1:PORT/",
        "file://127.0.0.1/etc/passwd",
        "//127.0.0.1:PORT/",
        "127.0.0.1:PORT",
        "https://127.0.0.256:PORT/",
        "https://1.2.3.0x100:PORT/",
        "https://example.127:PORT/",
        "https://[::1%25lo]:PORT/",
        "https://[::1%lo]:PORT/",
        "https://[v1.127.0.0.1]:PORT/",
        "https://:PORT/",
        "https://?@127.0.0.1:PORT/",
    ]
    .into_iter()
    .map(|url| url.replace("PORT", &port.to_string()))
    .collect()
}

/// Somebody on all addresses of this machine who sees every connection, and says nothing.
struct Guard {
    port: u16,
    /// From where, and to which of the addresses.
    seen: mpsc::UnboundedReceiver<(SocketAddr, IpAddr)>,
}

impl Guard {
    async fn start() -> Self {
        Self::at(0).await
    }

    async fn at(port: u16) -> Self {
        let listener = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let own = stream.local_addr().unwrap().ip().to_canonical();
                let _ = tell.send((SocketAddr::new(peer.ip().to_canonical(), peer.port()), own));
            }
        });
        Self { port, seen }
    }

    /// Which addresses were connected to since the last time. The one connection of our own tells that all before it
    /// have been seen.
    async fn visited(&mut self) -> Vec<IpAddr> {
        let mark = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        let mark = mark.local_addr().unwrap();
        let mut visited = Vec::new();
        loop {
            match self.seen.recv().await.unwrap() {
                (peer, _) if peer == mark => return visited,
                (_, own) => visited.push(own),
            }
        }
    }

    async fn assert_alone(&mut self, what: &str) {
        assert_eq!(self.visited().await, <[IpAddr; 0]>::default(), "{what}");
    }
}

fn config(allow_insecure_targets: bool) -> Webhooks {
    Webhooks { allow_insecure_targets, ..Webhooks::default() }
}

async fn outcome(client: &Outbound, url: &str) -> &'static str {
    client.send(url, HeaderMap::new(), Bytes::from_static(b"{}")).await.outcome
}

/// A client for which every name stands for the next of these; the last for ever.
fn naming(names: &[&[&str]], config: &Webhooks) -> (Outbound, Arc<AtomicUsize>) {
    let parsed = |addresses: &&[&str]| -> Vec<SocketAddr> {
        addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    };
    let names: Mutex<VecDeque<_>> = Mutex::new(names.iter().map(parsed).collect());
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let lookup = move |_: String| {
        count.fetch_add(1, Ordering::Relaxed);
        let mut names = names.lock().unwrap();
        let answer = if names.len() > 1 { names.pop_front().unwrap() } else { names[0].clone() };
        async { Ok(answer) }.boxed()
    };
    (Outbound::with_lookup(Arc::new(lookup), config).unwrap(), asked)
}

#[tokio::test]
async fn no_webhook_has_an_address_for_a_name() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({ "title": "T", "url": "https://example.com/" });
    let webhook = client.request("POST", "/webhooks").json(&body).send().await;
    assert_eq!(webhook.status, 201);
    let webhook = webhook.json();
    let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
    let https = hosts().into_iter().map(|host| format!("https://{host}/hooks"));
    let http = hosts().into_iter().map(|host| format!("http://{host}:8080"));
    for url in https.chain(http.step_by(7)).chain(disguises(8443)) {
        let body = json!({ "title": "T", "url": url });
        for request in [client.request("POST", "/webhooks"), client.request("PATCH", &path)] {
            let answer = request.json(&body).send().await;
            assert_eq!(answer.status, 400, "{url}: {}", answer.text());
            assert_eq!(answer.refused("invalid_request")["errors"][0]["field"], "url", "{url}");
        }
    }
    assert_eq!(client.get("/webhooks").send().await.ok()["data"], json!([webhook]));
}

#[tokio::test]
async fn no_address_is_connected_to() {
    let mut guard = Guard::start().await;
    let port = guard.port;
    let client = Outbound::new(&config(false)).unwrap();
    let urls =
        hosts().into_iter().flat_map(|host| ["http", "https"].map(|s| format!("{s}://{host}:{port}/")));
    for url in urls.chain(disguises(port)) {
        assert_eq!(outcome(&client, &url).await, "forbidden_address", "{url}");
    }
    for name in ["localhost", "LOCALHOST", "localhost.", "LocalHost"] {
        let url = format!("https://{name}:{port}/");
        assert!(["forbidden_address", "dns"].contains(&outcome(&client, &url).await), "{url}");
    }
    assert_eq!(outcome(&client, &format!("https://localhost:{port}/")).await, "forbidden_address");
    guard.assert_alone("an address that is not public").await;
    // All of this would have been noticed.
    let client = Outbound::new(&config(true)).unwrap();
    for address in ["127.0.0.1", "0.0.0.0"] {
        // The last two are other networks.
        for host in &spellings(address)[..17] {
            outcome(&client, &format!("https://{host}:{port}/")).await;
            let visited = guard.visited().await;
            assert!(visited == [Ipv4Addr::LOCALHOST] || host.starts_with('['), "{host}: {visited:?}");
        }
    }
    for host in ["localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        outcome(&client, &format!("http://{host}:{port}/")).await;
        let visited = guard.visited().await;
        assert!(!visited.is_empty() && visited.iter().all(IpAddr::is_loopback) || host == "[::1]", "{host}");
    }
}

#[tokio::test]
async fn names_stand_for_what_they_stand_for_when_they_are_connected_to() {
    let mut guard = Guard::start().await;
    let url = format!("https://receiver.example:{}/", guard.port);
    for address in NOT_PUBLIC_V4.iter().chain(&NOT_PUBLIC_V6) {
        let (client, asked) = naming(&[&[address]], &config(false));
        assert_eq!(outcome(&client, &url).await, "forbidden_address", "{address}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
    let (client, _) = naming(&[&NOT_PUBLIC_V4], &config(false));
    assert_eq!(outcome(&client, &url).await, "forbidden_address");
    guard.assert_alone("a name of an address that is not public").await;
    // What is connected to is what was looked at: nobody asks twice, and nothing of before is remembered.
    let (client, asked) = naming(&[&["127.0.0.1"], &[]], &config(true));
    for (count, expected) in [1, 0, 0].into_iter().enumerate() {
        outcome(&client, &url).await;
        assert_eq!((guard.visited().await.len(), asked.load(Ordering::Relaxed)), (expected, count + 1));
    }
}

/// In a network in which every address is this machine's, nothing escapes the guard.
#[test]
fn of_all_addresses_the_public_ones_alone_are_connected_to() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(alone());
    }
    let unshared = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture"]);
        command.arg("addresses::of_all_addresses_the_public_ones_alone_are_connected_to").env(ALONE, "1");
        // Nor is anything sent by way of somebody else.
        command.env("HTTPS_PROXY", "http://10.9.9.9:443").env("ALL_PROXY", "http://10.9.9.9:443");
        command.output()
    };
    let network =
        "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo";
    if !unshared(network).is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: this machine lets nobody make a network of their own (unshare, ip)");
        return;
    }
    let tested = unshared(&format!("{network} && exec \"$0\" \"$@\"")).unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{said}{}", String::from_utf8_lossy(&tested.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

async fn alone() {
    let (client, mut guard) = (Outbound::new(&config(false)).unwrap(), Guard::at(443).await);
    for url in hosts().into_iter().map(|host| format!("https://{host}/")).chain(disguises(443)) {
        assert_eq!(outcome(&client, &url).await, "forbidden_address", "{url}");
    }
    guard.assert_alone("an address").await;
    let url = "https://receiver.example/";
    for address in NOT_PUBLIC_V4.iter().chain(&NOT_PUBLIC_V6) {
        assert_eq!(outcome(&naming(&[&[address]], &config(false)).0, url).await, "forbidden_address");
        guard.assert_alone(address).await;
        // The guard sees whoever comes; some addresses the system itself refuses to connect to.
        outcome(&naming(&[&[address]], &config(true)).0, url).await;
        let refused_anyway = ["224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1"];
        assert_eq!(guard.visited().await.len(), usize::from(!refused_anyway.contains(address)), "{address}");
    }
    let public = PUBLIC.map(|address| address.parse::<IpAddr>().unwrap());
    for (text, address) in PUBLIC.into_iter().zip(public) {
        outcome(&naming(&[&[text]], &config(false)).0, url).await;
        assert_eq!(guard.visited().await, [address]);
        // Among others it is the only one, wherever it stands.
        for mixed in
            [["10.0.0.1", text, "::ffff:127.0.0.1"], [text, "127.0.0.1", "::1"], ["::1", "fc00::1", text]]
        {
            outcome(&naming(&[&mixed], &config(false)).0, url).await;
            assert_eq!(guard.visited().await, [address], "{mixed:?}");
        }
    }
    // A name that changes its mind is heard once for each request, and each time judged.
    let (client, asked) =
        naming(&[&["8.8.8.8"], &["127.0.0.1"], &["::1", "169.254.169.254"]], &config(false));
    for (count, expected) in [&public[..1], &[], &[], &[]].into_iter().enumerate() {
        let outcome = outcome(&client, url).await;
        assert_eq!(outcome == "forbidden_address", expected.is_empty());
        assert_eq!((guard.visited().await.as_slice(), asked.load(Ordering::Relaxed)), (expected, count + 1));
    }
}

#[tokio::test]
async fn a_webhook_to_this_machine_is_not_served() {
    let mut app = TestApp::with(|options| options.worker = false).await;
    let mut guard = Guard::start().await;
    let url = format!("https://localhost:{}/", guard.port);
    // As text it is a name like any other.
    let body = json!({ "title": "T", "url": url, "enabled": true });
    let webhook = app.client().request("POST", "/webhooks").json(&body).send().await;
    assert_eq!(webhook.status, 201);
    let path = format!("/webhooks/{}/test", webhook.json()["id"].as_str().unwrap());
    let forbidden = json!({ "url": url, "outcome": "forbidden_address", "response": null });
    assert_eq!(app.client().get(&path).send().await.ok(), forbidden);
    app.client().created(&bodies::karl()).await;
    app.pass(2);
    assert_eq!(dispatcher::run_due(app.app()).await.unwrap(), 1);
    assert_eq!(app.number("SELECT count(*) FROM webhook_attempts WHERE outcome = 'forbidden_address'"), 1);
    guard.assert_alone("localhost").await;
    // What was allowed once is judged by what is allowed now.
    let allow = |allowed| {
        move |config: &mut investord::config::Config| config.webhooks.allow_insecure_targets = allowed
    };
    app.restart_with(allow(true)).await;
    let url = format!("http://127.0.0.1:{}/", guard.port);
    let body = json!({ "title": "T", "url": url, "enabled": true });
    let webhook = app.client().request("POST", "/webhooks").json(&body).send().await.json();
    let path = format!("/webhooks/{}/test", webhook["id"].as_str().unwrap());
    assert_eq!(app.client().get(&path).send().await.ok()["response"], json!(null));
    assert_eq!(guard.visited().await.len(), 1);
    app.restart_with(allow(false)).await;
    assert_eq!(app.client().get(&path).send().await.ok()["outcome"], "forbidden_address");
    app.client().created(&bodies::karl()).await;
    app.pass(2);
    assert_eq!(dispatcher::run_due(app.app()).await.unwrap(), 2);
    assert_eq!(app.number("SELECT count(*) FROM webhook_attempts WHERE outcome = 'forbidden_address'"), 3);
    guard.assert_alone("an address that was allowed before").await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (receiver, mut guard) = (Receiver::start().await, Guard::start().await);
    let client = Outbound::new(&config(true)).unwrap();
    for status in [300, 301, 302, 303, 307, 308] {
        receiver.does([Act::Redirect(status, ([127, 0, 0, 1], guard.port).into())]);
        let answer = client.send(&receiver.url(), length_of_nothing(), Bytes::new()).await;
        assert_eq!((answer.outcome, answer.status.unwrap().as_u16()), ("status", status));
        assert!(answer.headers.contains_key("location"));
        assert_eq!(receiver.seen().len(), 1);
    }
    guard.assert_alone("where an answer points to").await;
}

fn length_of_nothing() -> HeaderMap {
    HeaderMap::from_iter([(http::header::CONTENT_LENGTH, 0.into())])
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_limit() {
    const LIMIT: usize = 16 * 1024;
    let receiver = Receiver::start().await;
    let client = Outbound::new(&config(true)).unwrap();
    for length in [0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 1 << 20, 1 << 26] {
        receiver.does([Act::Long(length)]);
        let answer = client.send(&receiver.url(), length_of_nothing(), Bytes::new()).await;
        assert_eq!((answer.outcome, answer.body.len()), (outbound::DELIVERED, length.min(LIMIT)));
        assert!(answer.body.iter().all(|byte| *byte == b'x'));
    }
}

/// An authority of the test, and whom it vouches for.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = authority.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(authority, key), pem }
    }

    fn certificate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }
}

type Identity = (CertificateDer<'static>, KeyPair);

/// A receiver with a certificate, for one connection; where it is, and what the application has got of it.
fn secure((certificate, key): &Identity) -> (u16, std::thread::JoinHandle<Option<String>>) {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n{}") {
            let mut some = [0; 1000];
            match stream.read(&mut some) {
                Ok(0) | Err(_) => break,
                Ok(count) => read.extend_from_slice(&some[..count]),
            }
        }
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        Some(String::from_utf8(read).unwrap()).filter(|read| !read.is_empty())
    };
    (port, std::thread::spawn(serve))
}

#[tokio::test]
async fn receivers_prove_who_they_are() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receivers.pem");
    std::fs::write(&file, [Authority::new("another").pem, authority.pem.clone()].concat()).unwrap();
    let trusting = Outbound::new(&Webhooks { ca_file: Some(file), ..config(true) }).unwrap();
    let plain = Outbound::new(&config(true)).unwrap();
    let good = authority.certificate("localhost", |_| {});
    let expired = authority.certificate("localhost", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.certificate("localhost", |params| params.not_before = date_time_ymd(4000, 1, 1));
    let of_client = authority.certificate("localhost", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let of_other = authority.certificate("receiver.example", |_| {});
    let of_stranger = stranger.certificate("localhost", |_| {});
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let of_nobody = (own.der().clone(), key);
    for (what, client, host, identity, expected) in [
        ("good", &trusting, "localhost", &good, outbound::DELIVERED),
        ("authority unknown", &plain, "localhost", &good, "tls"),
        ("expired", &trusting, "localhost", &expired, "tls"),
        ("not yet valid", &trusting, "localhost", &early, "tls"),
        ("of a client", &trusting, "localhost", &of_client, "tls"),
        ("of another name", &trusting, "localhost", &of_other, "tls"),
        ("of a name, not an address", &trusting, "127.0.0.1", &good, "tls"),
        ("of another authority", &trusting, "localhost", &of_stranger, "tls"),
        ("of nobody", &trusting, "localhost", &of_nobody, "tls"),
    ] {
        let (port, served) = secure(identity);
        assert_eq!(outcome(client, &format!("https://{host}:{port}/hooks")).await, expected, "{what}");
        let got = served.join().unwrap();
        assert_eq!(got.is_some(), expected == outbound::DELIVERED, "{what}: {got:?}");
        assert!(got.is_none_or(|got| got.starts_with("POST /hooks HTTP/1.1\r\n")));
    }
    let missing = Webhooks { ca_file: Some(folder.path().join("missing.pem")), ..config(true) };
    assert!(Outbound::new(&missing).is_err());
}
