//! `investord serve`: configuration, TLS, health, metrics, log.

use std::fs::{Permissions, set_permissions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use testing::client::{Client, uuid};
use testing::home::{Home, master_key, person};
use testing::http::peek;
use testing::patience::{PATIENCE, until};
use testing::program::{investord, run};
use testing::server::{Ready, Server};

#[test]
fn the_printed_configuration_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let text = run(investord(folder.path()).arg("config")).ok();
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert!(table.contains_key("listen") && table.contains_key("log"));
    assert!(text.lines().filter(|line| line.starts_with('#')).count() > 20, "commented");
    std::fs::write(folder.path().join("investord.toml"), text).unwrap();
    let mut command = investord(folder.path());
    command.args(["serve", "--config", "investord.toml", "--listen", "127.0.0.1:0"]);
    command.env("INVESTORD_MASTER_KEY", master_key());
    let server = Server::start(command, &folder.path().join("server"), Ready::Answers);
    assert!(folder.path().join("investord-data/investord.db").exists());
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_wins_over_the_file_and_the_command_line_over_both() {
    let home = Home::new("token_lifetime_seconds = 100\n[log]\nlevel = \"info\"\n");
    let start = |variables: &[(&str, &str)], words: &[&str]| {
        let mut command = home.command(&["serve"]);
        command.args(words).envs(variables.iter().copied());
        Server::start(command, &home.path("server"), Ready::Answers)
    };
    let lifetime = async |server: &Server| {
        let answer = home.stranger(server).token_request().ask().await;
        answer.json()["expires_in"].as_u64().unwrap()
    };
    let server = start(&[], &[]);
    assert_eq!(lifetime(&server).await, 100);
    server.stop();
    let server = start(&[("INVESTORD_TOKEN_LIFETIME_SECONDS", "77"), ("INVESTORD_LOG__FORMAT", "text")], &[]);
    assert_eq!(lifetime(&server).await, 77);
    server.stop();
    assert!(home.log().lines().last().is_some_and(|line| !line.starts_with('{')), "text from here on");
    let elsewhere = home.path("elsewhere");
    let words = ["--data", elsewhere.to_str().unwrap()];
    if testing::postgres::is_chosen() {
        let refusal = run(home.command(&["serve"]).args(words)).refusal();
        assert!(refusal.contains("--data") && refusal.contains("database"), "{refusal}");
        assert!(!elsewhere.exists(), "no other register is made");
    } else {
        let server = start(&[("INVESTORD_DATA", "nowhere")], &words);
        assert!(elsewhere.join("investord.db").exists() && !home.path("nowhere").exists());
        server.stop();
    }
    let server = start(&[("INVESTORD_LISTEN", "127.0.0.1:1")], &["--listen", "127.0.0.1:0"]);
    assert_ne!(server.address.port(), 1);
    server.stop();
    let mut command = home.bare(&["serve"]);
    command.env("INVESTORD_CONFIG", "investord.toml");
    Server::start(command, &home.path("server"), Ready::Answers).stop();
}

#[test]
fn unknown_keys_and_bad_values_are_refused_by_name() {
    for (config, variable, word) in [
        ("lisen = \"127.0.0.1:1\"", None, "lisen"),
        ("[log]\ncolour = true", None, "colour"),
        ("[tls]\ncert_file = \"a\"\nkey_file = \"b\"\nca = \"c\"", None, "ca"),
        ("token_lifetime_seconds = 0", None, "token_lifetime_seconds"),
        ("idempotency_window_hours = 1", None, "idempotency_window_hours"),
        ("database = \"postgres://x\"", None, "database"),
        ("[log]\nformat = \"xml\"", None, "xml"),
        ("[log]\nlevel = \"lou=d=er\"", None, "level"),
        ("", Some(("INVESTORD_LISENT", "127.0.0.1:0")), "lisent"),
        ("", Some(("INVESTORD_LOG__COLOUR", "1")), "colour"),
        ("", Some(("INVESTORD_RATE_LIMIT_BURST", "many")), "rate_limit_burst"),
        ("[tls]\ncert_file = \"nowhere.crt\"\nkey_file = \"nowhere.key\"", None, "nowhere.crt"),
        ("[tls]\ncert_file = \"nowhere.crt\"", None, "key_file"),
    ] {
        let home = Home::new(config);
        let refusal = run(home.command(&["serve"]).envs(variable)).refusal();
        assert!(refusal.to_lowercase().contains(word), "{word} is not named: {refusal}");
    }
    let home = Home::new("");
    let refusal = run(&mut home.bare(&["serve", "--config", "nowhere.toml"])).refusal();
    assert!(refusal.contains("nowhere.toml"), "{refusal}");
}

#[test]
fn without_a_master_key_nothing_is_made() {
    let home = Home::new("");
    let text = std::fs::read_to_string(home.path("investord.toml")).unwrap();
    for (line, words) in [
        ("", vec!["master_key_file", "openssl rand -base64 32"]),
        ("master_key_file = \"nowhere.key\"", vec!["nowhere.key"]),
        ("master_key = \"AAAA\"", vec!["32 random bytes"]),
        ("master_key = \"AAAA\"\nmaster_key_file = \"master.key\"", vec!["master_key", "both"]),
    ] {
        home.write("investord.toml", &text.replace("master_key_file = \"master.key\"", line));
        let refusal = run(&mut home.command(&["serve"])).refusal();
        assert!(words.iter().all(|word| refusal.contains(word)), "{refusal}");
        assert!(!home.database().exists(), "{line}: no database file is left");
    }
}

/// A signed request through a client that speaks TLS and HTTP/2.
async fn through(http: &reqwest::Client, base: &str, bytes: Vec<u8>) -> reqwest::Response {
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let method: reqwest::Method = first.next().unwrap().parse().unwrap();
    let mut request = http.request(method, format!("{base}{}", first.next().unwrap()));
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name != "host" {
            request = request.header(name, value);
        }
    }
    request.body(body.to_owned()).send().await.unwrap()
}

/// A server that speaks TLS, with what else is configured, and its certificate.
fn serve_tls(more: &str) -> (Home, Server, String) {
    let home = Home::new(&format!("{more}[tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    home.write("tls.crt", &made.cert.pem());
    home.write("tls.key", &made.signing_key.serialize_pem());
    let server = Server::start(home.command(&["serve"]), &home.path("server"), Ready::Listens);
    (home, server, made.cert.pem())
}

/// The server closes connections whose TLS handshake does not end in time.
#[test]
fn handshakes_without_an_end_are_cut() {
    let (_home, server, _) = serve_tls("limits.first_request_seconds = 1\n");
    let begun: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // The head of a record that is to hold a ClientHello, and a part of it.
            stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..number % 12]).unwrap();
            stream
        })
        .collect();
    for mut stream in begun {
        let end = stream.read_to_end(&mut Vec::new());
        let is_late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!end.as_ref().is_err_and(is_late), "{end:?}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_serves_http_1_and_http_2() {
    let (home, server, pem) = serve_tls("");
    let base = format!("https://localhost:{}", server.address.port());
    let trusting = || {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([certificate])
            .resolve("localhost", server.address)
            .no_proxy()
    };
    for (http, version) in [
        (trusting().http1_only().build().unwrap(), reqwest::Version::HTTP_11),
        (trusting().build().unwrap(), reqwest::Version::HTTP_2),
    ] {
        let ready = http.get(format!("{base}/readyz")).send().await.unwrap();
        assert_eq!((ready.status().as_u16(), ready.version()), (200, version));
        let mut client = home.stranger(&server);
        client.scopes = "users:admin".into();
        let answer = through(&http, &base, client.token_request().into_bytes()).await;
        assert_eq!(answer.status().as_u16(), 200);
        let token: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        token["access_token"].as_str().unwrap().clone_into(&mut client.token);
        let created = through(&http, &base, client.creation(&person(1), &uuid()).into_bytes()).await;
        assert_eq!((created.status().as_u16(), created.version()), (200, version));
        let problem = through(&http, &base, client.get("/users?limit=x").into_bytes()).await;
        let problem: Value = serde_json::from_slice(&problem.bytes().await.unwrap()).unwrap();
        assert!(problem["type"].as_str().unwrap().starts_with("https://"), "{problem}");
    }
    // Whoever does not speak TLS is turned away, and the next one is served.
    assert!(peek(server.address, "/readyz").is_none_or(|(status, _)| status == 400));
    let http = trusting().build().unwrap();
    assert_eq!(http.get(format!("{base}/healthz")).send().await.unwrap().status().as_u16(), 200);
    server.stop();
}

#[test]
fn health_and_metrics_need_no_signature() {
    let home = Home::new("");
    let server = home.serve();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(peek(server.address, path).unwrap().0, 200, "{path}");
    }
    assert_eq!(peek(server.address, "/metrics").unwrap().0, 404, "not where clients are answered");
    let metrics = server.metrics();
    assert!(metrics.contains("# TYPE investord_requests_total counter"), "{metrics}");
    assert!(metrics.contains("investord_request_seconds_bucket"), "{metrics}");
    server.stop();

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = Home::new(&format!("metrics_listen = \"{free}\"\n"));
    let server = home.serve();
    for (path, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/users", 404)] {
        assert_eq!(peek(free, path).unwrap().0, status, "{path}");
    }
    // Whoever takes all connections takes none of operators or clients.
    let mut taken: Vec<_> = (0..64).map(|_| TcpStream::connect(free).unwrap()).collect();
    until("a refusal", || {
        // Without a request: what was sent to a connection that is closed would reset it. One that came before its turn
        // is kept: another of them has been refused in its place.
        let (mut stream, mut answer) = (TcpStream::connect(free).unwrap(), [0; 12]);
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let read = stream.read_exact(&mut answer);
        if &answer == b"HTTP/1.1 503" {
            return Ok(());
        }
        taken.push(stream);
        Err(format!("{read:?} {answer:?}"))
    });
    assert_eq!(peek(server.address, "/healthz").unwrap().0, 200);
    drop(taken);
    until("an answer", || match peek(free, "/healthz") {
        Some((200, _)) => Ok(()),
        answer => Err(format!("{answer:?}")),
    });
    server.stop();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new(&format!("metrics_listen = \"{address}\"\n"));
    let refusal = run(&mut home.command(&["serve"])).refusal();
    assert!(refusal.contains(&address) && refusal.contains("metrics_listen"), "{refusal}");
}

/// A connection on which a proxy says this first, and what is answered to a request on it.
fn through_proxy(server: SocketAddr, announcement: &[u8]) -> (TcpStream, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let request = b"GET /users HTTP/1.1\r\nhost: investord\r\nupvest-client-id: nobody\r\n\r\n";
    let mut answer = [0; 12];
    // What a server has closed meanwhile cannot be written to, nor read.
    let _ = stream.write_all(&[announcement, request].concat());
    let read = stream.read(&mut answer).unwrap_or(0);
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    (stream, text)
}

/// Behind a proxy that passes bytes on, clients are counted by the addresses that it announces.
#[test]
fn a_proxy_announces_for_whom_it_connects() {
    let limits = "[limits]\nconnections_per_address = 1\n";
    let proxy = "[proxy]\ntrusted = [\"127.0.0.2/32\"]\nheader = \"proxy-protocol\"\n";
    let home = Home::new(&format!("{limits}{proxy}"));
    let server = home.serve();
    let ask = |announcement: &[u8]| through_proxy(server.address, announcement);
    let (first, answer) = ask(b"PROXY TCP4 198.51.100.7 192.0.2.1 49152 443\r\n");
    assert_eq!(answer, "HTTP/1.1 400");
    let mut same = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    same.extend([198, 51, 100, 7, 192, 0, 2, 1, 0xc0, 0, 1, 0xbb]);
    assert!(["HTTP/1.1 503", ""].contains(&ask(&same).1.as_str()), "the same address");
    let (_other, answer) = ask(b"PROXY TCP6 2001:db8::7 2001:db8::1 49152 443\r\n");
    assert_eq!(answer, "HTTP/1.1 400");
    for from_itself in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        assert_eq!(ask(from_itself).1, "HTTP/1.1 400", "a proxy looks whether the server is well");
    }
    assert_eq!(ask(b"").1, "", "a proxy has to say for whom it asks");
    drop(first);
    until("a place for the address", || match ask(&same).1.as_str() {
        "HTTP/1.1 400" => Ok(()),
        answer => Err(answer.to_owned()),
    });
    server.stop();
    let log = home.log();
    assert!(log.contains("198.51.100.7"), "the log names the client: {log}");
    assert!(log.contains("does not speak the PROXY protocol"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_one_line_of_json_and_says_nothing_about_persons() {
    let home = Home::new("");
    let server = home.serve();
    let client: Client = home.caller(&server).await;
    let created = client.creation(&person(2), &uuid()).ask().await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let answers = [
        created,
        client.get(&format!("/users/{id}")).ask().await,
        client.get("/users?limit=3").ask().await,
        client.get("/users?limit=many").ask().await,
        client.get("/nowhere/at?all").ask().await,
        client.creation(b"{}", &uuid()).ask().await,
        Client { token: "tokenofnobody".into(), ..client.clone() }.get("/users").ask().await,
    ];
    server.stop();
    let log = home.log();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| !["investord ", "operators ", "metrics "].iter().any(|word| line.starts_with(word)))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for (answer, (route, status, problem, detail)) in answers.iter().zip([
        ("/users", 200, None, ""),
        ("/users/{user_id}", 200, None, ""),
        ("/users", 200, None, ""),
        ("/users", 400, Some("invalid_request"), "limit: must be a whole number from 0 to 1000"),
        ("(none)", 404, Some("not_found"), "there is no such "),
        ("/users", 400, Some("invalid_request"), "first_name: field 'first_name' was not filled"),
        ("/users", 401, Some("unauthorised"), "the access token is unknown"),
    ]) {
        let request = answer.header("upvest-request-id").unwrap();
        let about: Vec<&Value> = lines.iter().filter(|line| line["id"] == request).collect();
        assert_eq!(about.len(), 1, "one line per request");
        let line = about[0];
        assert_eq!((&line["route"], &line["status"]), (&route.into(), &status.into()), "{line}");
        assert_eq!(line["problem"].as_str(), problem, "{line}");
        // A refusal is logged with its rule and who was refused.
        assert_eq!(line["detail"].is_string(), problem.is_some(), "{line}");
        assert!(line["detail"].as_str().unwrap_or_default().contains(detail), "{line}");
        let peer = line["peer"].as_str().map(|peer| peer.parse::<std::net::SocketAddr>().unwrap().ip());
        assert_eq!(peer, problem.map(|_| std::net::Ipv4Addr::LOCALHOST.into()), "{line}");
        assert!(line["took_us"].is_u64() && line["timestamp"].is_string() && line["level"].is_string());
        if route != "(none)" {
            assert_eq!((&line["client"], &line["tenant"]), (&client.id.as_str().into(), &"acme".into()));
        }
    }
    for word in [
        "tokenofnobody", "many", "Anna", "Müller", "1980", "Linden", "10117", "Berlin", "nowhere",
        &client.token,
    ] {
        assert!(!texts(&lines).iter().any(|text| has_word(text, word)), "{word} stands in the log");
    }
}

/// The fields of lines, without those that are made by chance: a number in one of them can be any.
fn texts(lines: &[Value]) -> Vec<String> {
    let by_chance = ["client", "id", "peer", "timestamp", "took_us"];
    let fields = lines.iter().filter_map(Value::as_object).flatten();
    let fields = fields.filter(|(name, _)| !by_chance.contains(&name.as_str()));
    fields.map(|(name, value)| format!("{name} {value}")).collect()
}

/// Whether a word stands in a text, and not as a part of a longer number.
fn has_word(text: &str, word: &str) -> bool {
    let is_digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !is_digit(before.chars().next_back()) && !is_digit(after.chars().next())
    })
}

#[test]
fn what_is_dangerous_is_refused_unless_it_is_allowed() {
    let home = Home::new("");
    let refused = |words: &[&str], variables: &[(&str, &str)], risk: &str, what: &str| {
        let refusal = run(home.command(words).envs(variables.iter().copied())).refusal();
        assert!(refusal.contains(&format!("--allow {risk}")) && refusal.contains(what), "{refusal}");
    };
    refused(&["serve", "--listen", "0.0.0.0:0"], &[], "plain-http", "listen: 0.0.0.0:0");
    let far = [("INVESTORD_DATABASE", "postgres://investord@register.example/investord")];
    refused(&["serve"], &far, "plain-postgres", "sslmode");
    let mut dev = home.bare(&["dev", "--data", "dev", "--listen", "0.0.0.0:0"]);
    let refusal = run(&mut dev).refusal();
    assert!(refusal.contains("--allow remote-development"), "{refusal}");
    set_permissions(home.path("master.key"), Permissions::from_mode(0o644)).unwrap();
    refused(&["serve"], &[], "readable-keys", "has mode 644");
    // The risk that is taken is not any other.
    refused(&["serve", "--allow", "plain-http"], &[], "readable-keys", "has mode 644");
    set_permissions(home.path("master.key"), Permissions::from_mode(0o600)).unwrap();
    let refusal = run(&mut home.command(&["serve", "--allow", "everything"])).refusal();
    assert!(refusal.contains("must be one of plain-http"), "{refusal}");

    home.write("tenants.toml", &home.tenants("acme", "review_policy = \"simulate\""));
    refused(&["serve"], &[], "simulation", "acme");
    let allowed = ["--allow", "simulation"];
    home.serve_as("server", &allowed, &[]).stop();
}

/// Of a peer that never speaks, TLS would be waited for as long as for a head.
#[test]
fn whoever_does_not_begin_tls_is_not_waited_for() {
    let config = "head_timeout_seconds = 3600\n[limits]\nfirst_request_seconds = 1\n\
        [tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n";
    let home = Home::new(config);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    home.write("tls.crt", &made.cert.pem());
    home.write("tls.key", &made.signing_key.serialize_pem());
    let server = Server::start(home.command(&["serve"]), &home.path("server"), Ready::Listens);
    let mut silent = TcpStream::connect(server.address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(silent.read(&mut [0; 64]), Ok(0)), "the connection ends");
    server.stop();
}
