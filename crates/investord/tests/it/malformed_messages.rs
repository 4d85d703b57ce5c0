//! Messages that are no JSON, too large, framed wrongly or no HTTP at all.

use testing::app::TestApp;
use testing::bodies;
use testing::client::{Client, once_key};
use testing::signing::digest_of;

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_as_a_whole() {
    let app = TestApp::start().await;
    let good = bodies::smallest().to_string();
    let name = |value: &str| good.replace("\"Peter\"", value);
    let mut texts: Vec<Vec<u8>> = [
        String::new(),
        "{".into(),
        "{}}".into(),
        format!("{good} {good}"),
        format!("{good},"),
        name("'Peter'"),
        name("Peter"),
        name("\"Pe\nter\""),
        name("\"Pe\\xter\""),
        name("NaN"),
        name("01"),
        name("1."),
        name("\"Peter\","),
        "null".into(),
        "[]".into(),
        "\"text\"".into(),
        "1".into(),
        "true".into(),
        format!("[{good}]"),
        name("1e400"),
        name("\"\\ud800\""),
        name("\"\\udc00x\""),
        name("\"\\ud800\\u0041\""),
        format!("\u{feff}\u{feff}{good}"),
        "\u{feff}".into(),
        format!("// comment\n{good}"),
        "[".repeat(100_000),
        "{\"a\":".repeat(50_000),
        format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
    ]
    .map(String::into_bytes)
    .into();
    texts.push(name("\"Pe\u{0}ter\"").into_bytes());
    texts.push(
        good.replace("Peter", "@").bytes().map(|byte| if byte == b'@' { 0xff } else { byte }).collect(),
    );
    texts.push(
        good.replace("Peter", "@@").bytes().map(|byte| if byte == b'@' { 0xc0 } else { byte }).collect(),
    );
    for mark in ["", "\u{feff}"] {
        let units: Vec<u16> = format!("{mark}{good}").encode_utf16().collect();
        texts.push(units.iter().copied().flat_map(u16::to_le_bytes).collect());
        texts.push(units.iter().copied().flat_map(u16::to_be_bytes).collect());
        texts.push(
            format!("{mark}{good}").chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect(),
        );
    }
    for text in texts {
        let shown = String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned();
        let answer = app
            .client()
            .post("/users")
            .header("content-type", "application/json")
            .bytes(text.clone())
            .send()
            .await;
        assert_eq!(answer.faults(), ["(root)"], "{shown}: {}", answer.text());
        let wide = text.iter().take(4).any(|&byte| byte == 0) || text.starts_with(b"\xff\xfe");
        assert_eq!(answer.text().contains("UTF-16 or UTF-32"), wide, "{shown}: {}", answer.text());
    }
    assert_eq!(app.rows().users, 0);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn a_byte_order_mark_is_signed_and_ignored() {
    let app = TestApp::start().await;
    let (good, key) = (bodies::smallest().to_string(), once_key());
    let send = |text: &str| {
        let request = app.client().post("/users").header("idempotency-key", &key);
        request.header("content-type", "application/json").bytes(text)
    };
    let marked = format!("\u{feff}{good}");
    let (name, of_the_rest) = digest_of(true, good.as_bytes());
    send(&marked).digest(&name, &of_the_rest).send().await.refused("unauthorised");
    let first = send(&marked).send().await;
    assert_eq!(first.ok()["first_name"], bodies::smallest()["first_name"]);
    assert_eq!(send(&marked).send().await.text(), first.text());
    // Other bytes are another request.
    send(&good).send().await.refused("unprocessable_entity");
    // Also where the whole body is a string.
    let endpoint = app.client().post("/events-acceptor-service/endpoints");
    let endpoint = endpoint.header("content-type", "application/json").bytes("\u{feff}\"\"").send().await;
    assert_eq!(endpoint.status, 201, "{}", endpoint.text());
    // A form has none.
    let form = format!(
        "\u{feff}client_id={}&client_secret=x&grant_type=client_credentials&scope=x",
        app.client().id
    );
    assert_eq!(app.client().token_form(&form).send().await.status, 400);
}

#[tokio::test]
async fn the_content_type_must_be_json() {
    let app = TestApp::start().await;
    for (content_type, good) in [
        ("application/json", true),
        ("application/json; charset=utf-8", true),
        ("Application/JSON;charset=UTF-8", true),
        ("APPLICATION/JSON ; Charset = \"utf-8\"", true),
        ("application/json; charset=utf8; profile=\"a;charset=latin1\"", true),
        ("application/json;", true),
        ("application/json; charset=iso-8859-1", false),
        ("application/json; charset=\"UTF-16\"", false),
        ("application/json; charset=", false),
        ("application/json; charset=utf-8; charset=windows-1252", false),
        ("application/json, text/plain", false),
        ("text/plain", false),
        ("application/problem+json", false),
        ("application/x-www-form-urlencoded", false),
        ("application/jsonx", false),
        ("json", false),
        ("", false),
        ("*/*", false),
    ] {
        let answer =
            app.client().create(&bodies::smallest()).header("content-type", content_type).send().await;
        if good {
            answer.ok();
        } else {
            assert_eq!(answer.faults(), ["content-type"], "{content_type}");
        }
    }
    let answer = app.client().create(&bodies::smallest()).without("content-type").send().await;
    assert_eq!(answer.faults(), ["content-type"]);
}

/// A valid body padded to this length.
fn of_length(length: usize) -> String {
    let body = bodies::smallest().to_string();
    format!("{}{}}}", &body[..body.len() - 1], " ".repeat(length - body.len()))
}

#[tokio::test]
async fn a_body_may_have_one_mebibyte_and_not_a_byte_more() {
    const MOST: usize = 1024 * 1024;
    let app = TestApp::start().await;
    let send = |length| {
        app.client().post("/users").header("content-type", "application/json").bytes(of_length(length))
    };
    send(MOST).send().await.ok();
    for announced in [true, false] {
        let mut request = send(MOST + 1).sign();
        if !announced {
            request = request.without("content-length");
        }
        if let Some(answer) = request.send_alone(false).await {
            assert!(answer.status < 500, "{answer:?}");
            assert_eq!(answer.status / 100, 4, "{answer:?}");
        }
    }
    assert_eq!(app.rows().users, 1);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn a_wide_body_is_refused() {
    let app = TestApp::start().await;
    // A million entries in the least number of bytes, and as many as fit with a country each.
    for list in [format!("[{}1]", "1,".repeat(500_000)), format!("[{}\"DE\"]", "\"DE\",".repeat(150_000))] {
        let body = bodies::smallest().to_string().replace("[\"DE\"]", &list);
        let sent = app.client().post("/users").header("content-type", "application/json").bytes(body).sign();
        if let Some(answer) = sent.send_alone(false).await {
            assert_eq!(answer.sound("POST").status, 400);
        }
    }
    let million = format!("{{\"nationalities\":[{}1]}}", "1,".repeat(1_000_000));
    let sent = app.client().post("/users").header("content-type", "application/json").bytes(million).sign();
    if let Some(answer) = sent.send_alone(false).await {
        assert_eq!(answer.sound("POST").status, 400);
    }
    assert_eq!(app.rows().users, 0);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn a_chunked_body_is_as_good_as_any_if_it_is_signed() {
    let app = TestApp::start().await;
    let covered = ["@method", "@path", "authorization", "content-digest"];
    let sent = app.client().create(&bodies::smallest()).covering(&covered).sign().without("content-length");
    sent.send().await.ok();
    // Without digest a chunked body is a body all the same.
    let sent = app.client().create(&bodies::smallest()).digest("", "").covering(&covered[..3]).sign();
    sent.without("content-length").send().await.refused("unauthorised");
    assert_eq!(app.rows().users, 1);
}

#[tokio::test]
async fn a_content_length_that_lies_is_refused() {
    let app = TestApp::start().await;
    let length = bodies::smallest().to_string().len();
    for lie in [0, 1, length - 1, length + 1, length + 100] {
        let sent = app.client().create(&bodies::smallest()).sign().set("content-length", &lie.to_string());
        if let Some(answer) = sent.send_alone(true).await {
            assert_eq!(answer.status / 100, 4, "{lie}: {answer:?}");
        }
        // Signed as it lies.
        let sent = app.client().create(&bodies::smallest()).header("content-length", &lie.to_string()).sign();
        if let Some(answer) = sent.send_alone(true).await {
            assert_eq!(answer.status / 100, 4, "{lie}: {answer:?}");
        }
    }
    for lie in ["-1", "abc", "1e3", "18446744073709551616", "1, 2", ""] {
        let sent = app.client().create(&bodies::smallest()).sign().set("content-length", lie);
        if let Some(answer) = sent.send_alone(true).await {
            assert_eq!(answer.status / 100, 4, "{lie}: {answer:?}");
        }
    }
    let both = app.client().create(&bodies::smallest()).sign().add("transfer-encoding", "chunked");
    if let Some(answer) = both.send_alone(true).await {
        assert_eq!(answer.status / 100, 4, "{answer:?}");
    }
    assert_eq!(app.rows().users, 0);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let app = TestApp::start().await;
    let request = |client: &Client| client.get("/users").sign();
    let mut many = request(app.client());
    for at in 0..100 {
        many = many.add(&format!("x-{at}"), "y");
    }
    let mut flood = request(app.client());
    for at in 0..10_000 {
        flood = flood.add(&format!("x-{at}"), "y");
    }
    let wide = request(app.client()).add("x-wide", &"y".repeat(40_000));
    let huge = request(app.client()).add("x-huge", &"y".repeat(65_536));
    let giant = request(app.client()).add("x-giant", &"y".repeat(4_000_000));
    for sent in [many, flood, wide, huge, giant] {
        if let Some(answer) = sent.send_alone(false).await {
            assert_eq!(answer.status / 100, 4, "{answer:?}");
        }
        request(app.client()).send().await.ok();
    }
    let mut some = request(app.client());
    for at in 0..40 {
        some = some.add(&format!("x-{at}"), &"y".repeat(100));
    }
    some.send().await.ok();
}

#[tokio::test]
async fn what_is_not_http_gets_a_refusal_or_nothing_and_the_server_goes_on() {
    let app = TestApp::start().await;
    let signed = app.client().get("/users").sign();
    let text = String::from_utf8(signed.wire_bytes()).unwrap();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let texts: Vec<Vec<u8>> = vec![
        b"\r\n\r\nx\r\n\r\n".to_vec(),
        b"hello\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET http:// HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        vec![0; 100_000],
        vec![0xff; 100_000],
        long.into_bytes(),
        text.replace("accept:", "accept :").into_bytes(),
        text.replace("accept:", "acc ept:").into_bytes(),
        text.replace("accept:", "\u{0}accept:").into_bytes(),
        text.replace("application/json", "application/\u{0}json").into_bytes(),
        text.replace("application/json", "application/\rjson").into_bytes(),
        text.replace("GET /users", "GET /us ers").into_bytes(),
        text.replace("GET /users", "GET users").into_bytes(),
        text.replace("GET /users", "G\u{e4}T /users").into_bytes(),
        text.replace("GET /users", "get /users").into_bytes(),
        text.replace("GET /users", "CONNECT /users").into_bytes(),
        text.replace("GET /users", "TRACE /users").into_bytes(),
        text.replace("GET /users", "BREW /users").into_bytes(),
        text.replace("GET /users", "GET *").into_bytes(),
        text.replace("GET /users", "GET /users/%").into_bytes(),
        text.replace("GET /users", "GET /users/%00").into_bytes(),
        text.replace("GET /users", "GET /users/%ff%fe").into_bytes(),
        text.replace("GET /users", "GET /users/../users").into_bytes(),
        text.replace("GET /users", "GET /users/\u{e4}").into_bytes(),
    ];
    assert!(app.wire().raw(&text.as_bytes()[..text.len() - 2], true).await.is_none(), "a head without end");
    for bytes in texts {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        if let Some(answer) = app.wire().raw(&bytes, false).await {
            assert_eq!(answer.status / 100, 4, "{shown:?}: {answer:?}");
        }
        assert_eq!(app.plain("GET", "/healthz").await.status, 200, "after {shown:?}");
    }
    signed.send().await.ok();
}

#[tokio::test]
async fn odd_bytes_in_headers_are_refused() {
    let app = TestApp::start().await;
    for (name, value) in [
        ("authorization", "Bearer \u{e4}\u{f6}"),
        ("upvest-client-id", "\u{e4}"),
        ("upvest-client-id", ""),
        ("upvest-client-id", "'; DROP TABLE users; --"),
        ("accept", "\u{e4}"),
        ("upvest-api-version", "\u{661}"),
        ("idempotency-key", "\u{e4}"),
        ("signature-input", "sig1=(\"\u{e4}\")"),
        ("signature", "\u{e4}"),
        ("signature-input", ""),
        ("signature", ""),
    ] {
        let sent = app.client().create(&bodies::smallest()).sign().set(name, value);
        assert_eq!(sent.send().await.status / 100, 4, "{name}: {value}");
    }
    assert_eq!(app.rows().users, 0);
}
