//! The listener for operators: where it may listen, whom it answers, and how it ends.

use std::fs::{Permissions, set_permissions};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use testing::home::Home;
use testing::patience::{PATIENCE, until};
use testing::program::{Said, run};
use testing::server::{Ready, Server};

/// Where `serve` has printed that it answers operators.
pub fn operators(home: &Home) -> String {
    let log = home.log();
    let mut found = log.lines().filter_map(|line| line.strip_prefix("operators are answered on "));
    found.next_back().expect("the address of operators").to_owned()
}

/// What is answered to a request with these lines behind its first.
fn ask(mut stream: impl Read + Write, first: &str, lines: &str) -> String {
    // Whoever is refused before the request may not be able to write it.
    let _ = write!(stream, "{first} HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n{lines}\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect_unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn nobody_is_answered_in_clear_who_comes_from_elsewhere() {
    let refusal = |config: &str, words: &[&str]| {
        let home = Home::new(config);
        let refusal = run(home.command(&["serve"]).args(words)).refusal();
        assert!(!home.database().exists(), "nothing is made for a server that does not start");
        refusal
    };
    for address in ["0.0.0.0:0", "[::]:0"] {
        for words in
            [&["--operator-listen", address][..], &["--operator-listen", address, "--allow", "plain-http"]]
        {
            let refusal = refusal("", words);
            for word in
                ["operator_listen: ", "operator_tls.cert_file", "unix:/", "operator_plaintext_behind_proxy"]
            {
                assert!(refusal.contains(word), "{word}: {refusal}");
            }
            assert!(!refusal.contains("--allow"), "{refusal}");
        }
    }
    for (config, what, word) in [
        ("operator_plaintext_behind_proxy = true", "operator_plaintext_behind_proxy", "proxy.trusted"),
        (
            "operator_plaintext_behind_proxy = true\n[proxy]\ntrusted = [\"10.0.0.0/8\"]\n[operator_tls]\n\
             cert_file = \"a\"\nkey_file = \"b\"",
            "operator_plaintext_behind_proxy",
            "leave one of the two out",
        ),
        (
            "operator_listen = \"unix:/tmp/never.sock\"\n[operator_tls]\ncert_file = \"a\"\nkey_file = \"b\"",
            "operator_tls",
            "takes no TLS",
        ),
        ("operator_listen = \"unix:never.sock\"", "operator_listen", "unix:/PATH"),
        (
            "operator_hosts = [\"https://register.example.com\"]",
            "operator_hosts",
            "must be HOST or HOST:PORT",
        ),
    ] {
        let refusal = refusal(config, &[]);
        assert!(refusal.contains(what) && refusal.contains(word), "{word}: {refusal}");
    }
}

/// An address of this machine that is not its loopback, if it has one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|own| own.ip()).filter(|own| !own.is_loopback())
}

#[test]
fn behind_a_proxy_others_are_turned_away_before_they_send_anything() {
    let config = "operator_listen = \"0.0.0.0:0\"\noperator_plaintext_behind_proxy = true\n\
        operator_hosts = [\"register.example.com\"]\n[proxy]\ntrusted = [\"198.51.100.7/32\"]\n";
    let home = Home::new(config);
    let server = home.serve();
    let port = operators(&home).parse::<SocketAddr>().unwrap().port();
    let ask = |from: IpAddr, lines: &str| ask(connect((from, port).into()), "GET /me", lines);
    let local = ask([127, 0, 0, 1].into(), "host: localhost\r\n");
    assert!(local.starts_with("HTTP/1.1 401"), "{local}");
    assert!(local.contains("strict-transport-security"), "people come over TLS: {local}");
    let lines = "host: register.example.com\r\norigin: https://register.example.com\r\n";
    assert!(ask([127, 0, 0, 1].into(), lines).starts_with("HTTP/1.1 401"));
    assert!(ask([127, 0, 0, 1].into(), &lines.replace("https", "http")).starts_with("HTTP/1.1 403"));
    if let Some(own) = own_address() {
        let refused = ask(own, "host: register.example.com\r\n");
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("proxy.trusted"), "{refused}");
        let length = refused.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert_eq!(refused.split_once("\r\n\r\n").unwrap().1.len(), length.parse::<usize>().unwrap());
        server.stop();
        let home = Home::new(&config.replace("198.51.100.7", &own.to_string()));
        let server = home.serve();
        let port = operators(&home).parse::<SocketAddr>().unwrap().port();
        let asked = self::ask(connect((own, port).into()), "GET /me", "host: register.example.com\r\n");
        assert!(asked.starts_with("HTTP/1.1 401"), "a trusted proxy is answered: {asked}");
        server.stop();
    } else {
        server.stop();
    }
}

#[test]
fn a_request_for_another_host_or_from_another_site_is_refused() {
    let home = Home::new("operator_listen = \"localhost:0\"\noperator_hosts = [\"register.example.com\"]\n");
    let server = home.serve();
    let address: SocketAddr = operators(&home).parse().unwrap();
    for (first, lines, status, word) in [
        ("GET /me", format!("host: {address}\r\n"), 401, "unauthorised"),
        ("GET /me", "host: register.example.com\r\n".to_owned(), 401, "unauthorised"),
        ("GET /me", "host: LOCALHOST.:1\r\n".to_owned(), 401, "unauthorised"),
        ("GET /me", "host: [::1]:9080\r\n".to_owned(), 401, "unauthorised"),
        ("GET /me", "host: evil.example\r\n".to_owned(), 421, "operator_hosts"),
        ("GET /openapi.json", format!("host: evil.example:{}\r\n", address.port()), 421, "'host'"),
        ("GET /nowhere", "host: evil.example\r\n".to_owned(), 421, "misdirected_request"),
        ("POST /sessions", "host: evil.example\r\n".to_owned(), 421, "misdirected_request"),
        ("GET http://evil.example/me", format!("host: {address}\r\n"), 421, "misdirected_request"),
        ("GET /me", format!("host: {address}\r\norigin: http://{address}\r\n"), 401, "unauthorised"),
        ("GET /me", format!("host: {address}\r\norigin: https://{address}\r\n"), 403, "'origin'"),
        ("GET /me", format!("host: {address}\r\norigin: null\r\n"), 403, "'origin'"),
        (
            "POST /sessions",
            format!("host: {address}\r\norigin: http://evil.example\r\n"),
            403,
            "another site",
        ),
        ("OPTIONS /me", format!("host: {address}\r\norigin: http://evil.example\r\n"), 403, "another site"),
        (
            "POST /sessions",
            format!("host: {address}\r\nsec-fetch-site: cross-site\r\n"),
            403,
            "sec-fetch-site",
        ),
        (
            "POST /sessions",
            format!("host: {address}\r\nsec-fetch-site: same-origin\r\n"),
            400,
            "invalid_request",
        ),
        ("GET /me", format!("host: {address}\r\nsec-fetch-site: cross-site\r\n"), 401, "unauthorised"),
    ] {
        let answer = ask(connect(address), first, &lines);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{first} {lines:?}: {answer}");
        assert!(
            answer.contains(word) && answer.contains("application/problem+json"),
            "{first} {lines:?}: {answer}"
        );
        assert!(!answer.contains("evil.example"), "what was sent is not repeated: {answer}");
    }
    // The other listeners have names that are none of their business.
    assert!(
        ask(connect(server.address), "GET /healthz", "host: evil.example\r\n").starts_with("HTTP/1.1 200")
    );
    let metrics =
        home.log().lines().find_map(|line| line.strip_prefix("metrics are on http://").map(str::to_owned));
    let metrics = metrics.unwrap().trim_end_matches("/metrics").parse().unwrap();
    assert!(ask(connect(metrics), "GET /readyz", "host: evil.example\r\n").starts_with("HTTP/1.1 200"));
    server.stop();
    assert!(!home.log().contains("evil.example"), "nor logged: {}", home.log());
}

/// Runs a stop while a request to the listener for operators is in flight.
pub fn is_answered_at_the_end(
    mut server: Server,
    mut stream: impl Read + Write,
    takes_connections: impl Fn() -> bool,
) {
    let body = r#"{"name":"nobody","password":"correct horse battery"}"#;
    let length = body.len();
    let head = format!(
        "POST /sessions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 25];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 100 Continue\r\n\r\n");
    // An idle connection of a client, which is closed when nothing but the request of the operator keeps the server.
    let mut idle = connect(server.address);
    server.terminate();
    until("the listener for operators to be closed", || {
        if takes_connections() { Err("it takes connections") } else { Ok(()) }
    });
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0, "idle connections are closed");
    assert_eq!(server.has_ended(), None, "it waits for the request in flight");
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"), "{answer}");
    let status = server.ends();
    assert!(status.success(), "{status}");
}

#[test]
fn a_request_in_flight_of_an_operator_is_answered_after_sigterm() {
    let home = Home::new("shutdown_timeout_seconds = 600\n");
    let server = home.serve();
    let address: SocketAddr = operators(&home).parse().unwrap();
    is_answered_at_the_end(server, connect(address), || TcpStream::connect(address).is_ok());
}

/// A home whose operators are answered on a socket in it, and the path of that socket.
fn with_socket(more: &str) -> (Home, std::path::PathBuf) {
    let home = Home::new("");
    let path = home.path("operators.sock");
    let config = std::fs::read_to_string(home.path("investord.toml")).unwrap();
    home.write("investord.toml", &format!("operator_listen = \"unix:{}\"\n{more}{config}", path.display()));
    (home, path)
}

#[test]
fn a_request_in_flight_on_a_socket_is_answered_after_sigterm() {
    let (home, path) = with_socket("shutdown_timeout_seconds = 600\n");
    let server = home.serve();
    is_answered_at_the_end(server, connect_unix(&path), || UnixStream::connect(&path).is_ok());
    assert!(!path.exists(), "the socket is removed at the end");
}

#[test]
fn operators_are_answered_on_a_socket() {
    let (home, path) = with_socket("");
    let server = home.serve();
    assert_eq!(operators(&home), format!("unix:{}", path.display()));
    assert_eq!(path.symlink_metadata().unwrap().mode() & 0o777, 0o600);
    let asked = |lines: &str| ask(connect_unix(&path), "GET /me", lines);
    assert!(asked("host: localhost\r\n").starts_with("HTTP/1.1 401"));
    assert!(asked("host: evil.example\r\n").starts_with("HTTP/1.1 421"));
    // The doctor takes the socket that a server of this register has for good, and leaves it.
    let findings = run(&mut home.command(&["doctor", "--json"])).json();
    let found = findings.as_array().unwrap().iter().find(|found| found["what"] == "operator_listen");
    assert_eq!(found.expect("a finding")["level"], "good", "{findings}");

    run(&mut home.command(&["operator", "create", "anna", "--role", "support"])).ok();
    let token = run(&mut home.command(&["operator", "token", "anna"])).ok();
    let token = home.write("anna.token", &token).display().to_string();
    let operate = |url: &str| -> Said {
        run(&mut home
            .bare(&["user", "find", "--name", "Nobody", "--json", "--token-file", &token, "--url", url]))
    };
    let url = format!("unix:{}", path.display());
    assert_eq!(operate(&url).json(), serde_json::json!([]));
    let refusal = operate("unix:operators.sock").refusal();
    assert!(refusal.contains("must be unix:/PATH"), "{refusal}");

    // What a killed server leaves is replaced; what a living one has is not.
    server.kill();
    assert!(path.exists());
    let refusal = operate(&url).refusal();
    assert!(refusal.contains(&format!("cannot reach {url}")), "{refusal}");
    let server = home.serve();
    assert_eq!(operate(&url).json(), serde_json::json!([]));
    let other = Home::new("");
    let refusal =
        run(other.command(&["serve", "--operator-listen", &url]).args(["--listen", "127.0.0.1:0"])).refusal();
    assert!(refusal.contains("another process listens on it") && refusal.contains(&url), "{refusal}");
    assert_eq!(operate(&url).json(), serde_json::json!([]));
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_group_can_have_a_socket() {
    let (home, path) = with_socket("operator_socket_mode = \"0660\"\n");
    home.serve().stop();
    // The doctor takes the place for a moment, and leaves nothing.
    run(&mut home.command(&["doctor"])).ok();
    assert!(!path.exists());
    let variable = [("INVESTORD_OPERATOR_SOCKET_MODE", "0666")];
    for (variables, mode) in [(&[][..], 0o660), (&variable[..], 0o666)] {
        let mut command = home.command(&["serve"]);
        let server = Server::start(
            {
                command.envs(variables.iter().copied());
                command
            },
            &home.path("server"),
            Ready::Answers,
        );
        assert_eq!(path.symlink_metadata().unwrap().mode() & 0o777, mode);
        server.stop();
    }
    std::fs::write(&path, "somebody's file").unwrap();
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let refusal = run(&mut home.command(&["serve"])).refusal();
    assert!(refusal.contains("operator_listen") && refusal.contains("no socket"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's file");
}
