//! HTTP itself: hosts, targets, codings, expectations, framing (RFC 9110, RFC 9112, RFC 9113).

use std::net::SocketAddr;

use serde_json::json;
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::http::Wire;
use testing::signing::Sent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An app, and a path on each of its listeners.
async fn with_three_listeners() -> (TestApp, [(SocketAddr, &'static str); 3]) {
    let app = TestApp::start().await;
    let config = &app.app().config;
    let [operators, metrics] =
        [config.operator_address().resolve(), config.metrics_address().resolve()].map(Result::unwrap);
    let all = [(app.wire().address(), "/healthz"), (operators, "/me"), (metrics, "/metrics")];
    (app, all)
}

/// Nothing that a browser opens is run, framed, sniffed, cached or quoted to another site.
#[tokio::test]
async fn what_a_browser_opens_is_guarded() {
    let (app, listeners) = with_three_listeners().await;
    for (address, path) in listeners.into_iter().chain([
        (app.wire().address(), "/openapi.json"),
        (app.wire().address(), "/nowhere"),
        (app.wire().address(), "/users"),
    ]) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = Wire::to(address).raw(request.as_bytes(), false).await.expect("an answer");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert_eq!(answer.header("strict-transport-security"), None, "{path}: over HTTP it means nothing");
    }
    // The pages for developers show a stylesheet, and hold nothing of anybody.
    let page = app.plain("GET", "/errors/not_found").await;
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("public, max-age=300"));
    let app = TestApp::with(|options| options.config.public_url = Some("https://x.example".into())).await;
    let answer = app.plain("GET", "/healthz").await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}

#[tokio::test]
async fn every_listener_wants_one_clear_host() {
    let (_app, listeners) = with_three_listeners().await;
    for (address, path) in listeners {
        let ask = async |version: &str, lines: &str| {
            let request = format!("GET {path} HTTP/{version}\r\n{lines}\r\n");
            Wire::to(address).raw(request.as_bytes(), false).await.expect("an answer")
        };
        for lines in [
            "", "host:\r\n", "host: \r\n", "host: x\r\nhost: x\r\n", "host: x\r\nHost: y\r\n",
            "host: x\r\nhost:\r\n", "host: x, y\r\n", "host: x y\r\n", "host: http://x/\r\n",
            "host: x/y\r\n", "host: user@x\r\n", "host: x:port\r\n", "host: :80\r\n", "host: \u{e4}\r\n",
        ] {
            let answer = ask("1.1", lines).await.sound("GET");
            assert_eq!(answer.faults(), ["host"], "{address} {lines:?}");
        }
        for lines in ["host: x\r\n", "host: x.example:8080\r\n", "Host: [::1]:1\r\n", "HOST: 127.0.0.1\r\n"] {
            assert_ne!(ask("1.1", lines).await.status, 400, "{address} {lines:?}");
        }
        // HTTP/1.0 knows requests without a host (RFC 9112 section 3.2), but not with two.
        assert_ne!(ask("1.0", "").await.status, 400);
        assert_eq!(ask("1.0", "host: x\r\nhost: x\r\n").await.status, 400);
    }
}

#[tokio::test]
async fn the_host_is_judged_before_anything_else() {
    let app = TestApp::start().await;
    for (method, target) in
        [("GET", "/users"), ("GET", "/nowhere"), ("PUT", "/users"), ("POST", "/auth/token")]
    {
        let request = format!("{method} {target} HTTP/1.1\r\n\r\n");
        let answer = app.wire().raw(request.as_bytes(), false).await.unwrap();
        assert_eq!(answer.sound(method).faults(), ["host"], "{method} {target}");
    }
    let signed = app.client().create(&bodies::smallest()).sign().add("host", "other.example");
    assert_eq!(signed.send().await.faults(), ["host"]);
    assert_eq!(app.rows().users, 0);
}

#[tokio::test]
async fn http_2_names_the_host_as_authority() {
    let app = TestApp::start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answer = client.get(format!("http://{}/healthz", app.wire().address())).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
}

/// The request with another request line and host.
fn with_head(sent: &Sent, target: &str, host: &str) -> Vec<u8> {
    let sent = Sent { target: target.into(), ..sent.clone() };
    let text = String::from_utf8(sent.wire_bytes()).unwrap();
    text.replace(&format!("host: {}", sent.wire.address()), &format!("host: {host}")).into_bytes()
}

#[tokio::test]
async fn the_authority_of_the_target_goes_before_the_host() {
    let app = TestApp::start().await;
    let covered = ["@method", "@path", "@query", "@authority", "authorization"];
    let signed = |authority: &str| {
        app.client().get("/users?limit=1").covering(&covered).signed_as("@authority", authority).sign()
    };
    let ask = async |sent: Sent, target: &str, host: &str| {
        app.wire().raw(&with_head(&sent, target, host), false).await.unwrap().sound("GET").slug()
    };
    let absolute = "http://api.example/users?limit=1";
    assert_eq!(ask(signed("api.example"), absolute, "api.example").await, "ok");
    assert_eq!(ask(signed("api.example"), absolute, "other.example").await, "ok");
    assert_eq!(ask(signed("api.example"), "http://API.example:80/users?limit=1", "x").await, "ok");
    assert_eq!(ask(signed("other.example"), absolute, "other.example").await, "unauthorised");
    assert_eq!(ask(signed("api.example"), "/users?limit=1", "Api.Example:80").await, "ok");
    assert_eq!(ask(signed("api.example"), "/users?limit=1", "api.example:8080").await, "unauthorised");
    assert_eq!(
        ask(signed("api.example"), "http://api.example/users?limit=2", "api.example").await,
        "unauthorised"
    );
    assert_eq!(
        ask(signed("api.example"), "http://user@api.example/users?limit=1", "x").await,
        "invalid_request"
    );
}

#[tokio::test]
async fn coded_content_is_not_taken_and_the_answer_says_what_is() {
    let app = TestApp::start().await;
    for coding in ["gzip", "GZIP", "x-gzip", "br", "deflate", "zstd", "identity, gzip", "aws-chunked", "x"] {
        for request in [app.client().create(&bodies::smallest()), app.client().token_request()] {
            let answer = request.header("content-encoding", coding).send().await;
            answer.refused("unsupported_media_type");
            assert_eq!(
                (answer.status, answer.header("accept-encoding")),
                (415, Some("identity")),
                "{coding}"
            );
        }
    }
    for coding in ["identity", "Identity", "identity, identity", ""] {
        app.client().create(&bodies::smallest()).header("content-encoding", coding).send().await.ok();
        app.client().token_request().header("content-encoding", coding).send().await.ok();
    }
    let sent = app.client().create(&bodies::smallest()).header("content-encoding", "identity").sign();
    sent.add("content-encoding", "gzip").send().await.refused("unsupported_media_type");
    // Without a body there is nothing to decode.
    app.client().get("/users").header("content-encoding", "gzip").send().await.ok();
    assert_eq!(app.rows().users, 4);
    let operators = Wire::to(app.app().config.operator_address().resolve().unwrap());
    let request =
        "POST /sessions HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}";
    let answer = operators.raw(request.as_bytes(), false).await.unwrap().sound("POST");
    answer.refused("unsupported_media_type");
    assert_eq!(answer.header("accept-encoding"), Some("identity"));
}

/// Two defects: the order is that of W6, with the coding beside the version.
#[tokio::test]
async fn coded_content_is_refused_after_the_client_id_and_before_the_signature() {
    let app = TestApp::start().await;
    let coded = || app.client().create(&json!({})).header("content-encoding", "gzip");
    coded().without("upvest-client-id").send().await.refused("missing_client_id");
    coded().header("upvest-api-version", "2").send().await.refused("upgrade_required");
    coded().spoilt(|base| base + "x").send().await.refused("unsupported_media_type");
    app.client().post("/nowhere").header("content-encoding", "gzip").send().await.refused("not_found");
}

#[tokio::test]
async fn a_client_that_waits_for_continue_is_told_to_or_refused_at_once() {
    let app = TestApp::start().await;
    for (good, expected) in [(true, "HTTP/1.1 100 "), (false, "HTTP/1.1 400 ")] {
        let mut sent = app.client().create(&bodies::smallest()).header("expect", "100-continue").sign();
        if !good {
            sent = sent.without("upvest-client-id");
        }
        let bytes = sent.wire_bytes();
        let (head, body) = bytes.split_at(bytes.len() - sent.body.len());
        let mut stream = TcpStream::connect(app.wire().address()).await.unwrap();
        stream.write_all(head).await.unwrap();
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected);
        if good {
            stream.write_all(body).await.unwrap();
            let mut rest = vec![0; 200];
            let mut text = String::new();
            while !text.contains("HTTP/1.1 200 ") {
                let read = stream.read(&mut rest).await.unwrap();
                assert_ne!(read, 0, "{text}");
                text += &String::from_utf8_lossy(&rest[..read]);
            }
        }
    }
    assert_eq!(app.rows().users, 1);
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways_is_refused() {
    let app = TestApp::start().await;
    let covered = ["@method", "@path", "authorization", "content-digest"];
    let chunked = |coding: &str| {
        let sent =
            app.client().create(&bodies::smallest()).covering(&covered).sign().without("content-length");
        let text = String::from_utf8(sent.wire_bytes()).unwrap();
        text.replace("transfer-encoding: chunked", coding)
    };
    let raw = async |text: String| app.wire().raw(text.as_bytes(), false).await;
    raw(chunked("transfer-encoding: chunked")).await.unwrap().ok();
    raw(chunked("Transfer-Encoding: Chunked")).await.unwrap().ok();
    for coding in [
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked, chunked",
    ] {
        let answer = raw(chunked(coding)).await.unwrap().sound("POST");
        assert_eq!(answer.faults(), ["transfer-encoding"], "{coding}");
    }
    for coding in [
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: identity",
        "transfer-encoding: xchunked",
        "content-length: 1\r\ncontent-length: 2",
        "content-length: +1",
        "x-folded: a\r\n b",
        "x y: z",
        "x-y : z",
    ] {
        let answer = raw(chunked(coding)).await.expect(coding);
        assert_eq!(
            (answer.status, answer.text()),
            (400, ""),
            "{coding}: what is no HTTP has no problem document"
        );
    }
    // Both lengths: the chunks count, and the connection ends (RFC 9112 section 6.1).
    let answer = raw(chunked("content-length: 5\r\ntransfer-encoding: chunked")).await.unwrap();
    answer.ok();
    assert_eq!(answer.header("connection"), Some("close"));
    raw(chunked("transfer-encoding: chunked\r\nte: trailers, deflate;q=0.5")).await.unwrap().ok();
    assert_eq!(app.rows().users, 4);
}

#[tokio::test]
async fn bytes_beyond_ascii_may_stand_in_headers_that_nobody_signs() {
    let app = TestApp::start().await;
    let with = async |line: &[u8], covered: bool| -> Answer {
        let mut components = vec!["@method", "@path", "authorization"];
        if covered {
            components.push("x-name");
        }
        let sent = app.client().get("/users").covering(&components).signed_as("x-name", "Zo\u{eb}").sign();
        let bytes = sent.wire_bytes();
        let (head, end) = bytes.split_at(bytes.len() - 2);
        app.wire().raw(&[head, b"x-name: ", line, b"\r\n", end].concat(), false).await.unwrap()
    };
    for line in [&b"Zo\xc3\xab"[..], b"Zo\xeb", b"\xff\xfe"] {
        with(line, false).await.ok();
    }
    with(b"Zo\xc3\xab", true).await.ok();
    for line in [&b"Zo\xeb"[..], b"Zoe"] {
        with(line, true).await.sound("GET").refused("unauthorised");
    }
}

#[tokio::test]
async fn an_accept_on_several_lines_is_one_list() {
    let app = TestApp::start().await;
    let get = |first: &str, second: &str| {
        let covered = ["@method", "@path", "authorization"];
        app.client().get("/users").header("accept", first).covering(&covered).sign().add("accept", second)
    };
    get("text/html", "application/json").send().await.ok();
    get("text/html", "*/*;q=0.1").send().await.ok();
    get("text/html", "text/csv").send().await.refused("not_acceptable");
    get("application/json;q=0", "*/*").send().await.refused("not_acceptable");
}

#[tokio::test]
async fn what_the_query_says_twice_is_refused() {
    let app = TestApp::start().await;
    for query in ["limit=1&limit=1", "limit=1&limit=2", "offset=0&limit=1&offset=1", "limit=1&%6Cimit=2"] {
        let answer = app.client().get(&format!("/users?{query}")).send().await;
        assert_eq!(answer.faults().len(), 1, "{query}");
    }
}

/// The server reads the rest of a body that it refuses before it closes the connection: otherwise the client would lose
/// the answer.
#[tokio::test]
async fn a_request_that_is_refused_before_its_body_hears_why() {
    let app = TestApp::start().await;
    let long = json!({ "first_name": "x".repeat(1024 * 1024) });
    for (header, value, slug) in
        [("authorization", "Bearer nobodys", "unauthorised"), ("upvest-api-version", "2", "upgrade_required")]
    {
        for _ in 0..3 {
            let sent = app.client().create(&long).header(header, value).sign();
            // All of it is written before anything is read, and the system keeps little of it.
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_send_buffer_size(64 * 1024).unwrap();
            let mut stream = socket.connect(sent.wire.address()).await.unwrap();
            stream.write_all(&sent.wire_bytes()).await.unwrap();
            let mut answer = vec![0; 64 * 1024];
            let read = stream.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..read]);
            assert!(answer.contains(slug), "{answer}");
        }
    }
    // A client that waits for `100 Continue` has sent no body, and is answered at once.
    let sent =
        app.client().create(&long).header("authorization", "Bearer nobodys").header("expect", "100-continue");
    let sent = sent.sign();
    let head = sent.wire_bytes();
    let head = &head[..head.len() - sent.body.len()];
    sent.wire.raw(head, false).await.expect("an answer").sound("POST").refused("unauthorised");
}
