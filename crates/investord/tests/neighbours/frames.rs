//! HTTP/2, frame by frame (RFC 9113): what no well-behaved library sends.

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const INITIAL_WINDOW_SIZE: u16 = 4;
/// The largest payload that every peer takes.
pub const LARGEST: usize = 16 * 1024;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The stream of a connection's request, by its number from 0.
pub fn stream(number: usize) -> u32 {
    u32::try_from(2 * number + 1).unwrap()
}

/// The beginning of a connection, with room for so many bytes of each answer.
pub fn preface(window: u32) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), settings(window)].concat()
}

pub fn settings(window: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat())
}

pub fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"are you?")
}

/// Room for more bytes of an answer.
pub fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

pub fn reset(stream: u32) -> Vec<u8> {
    const CANCEL: u32 = 8;
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// Part of a body that goes on.
pub fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

/// The head of a request that was made for HTTP/1.1; its body is left out. `ends`: nothing else is to come.
pub fn request(stream: u32, http11: &[u8], ends: bool) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | if ends { END_STREAM } else { 0 }, stream, &fields(http11))
}

/// A head that does not come to its end.
pub fn endless_request(stream: u32, http11: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_STREAM, stream, &fields(http11))
}

/// More of such a head.
pub fn continuation(stream: u32) -> Vec<u8> {
    let field = field("x-more", &"x".repeat(100));
    frame(CONTINUATION, 0, stream, &field.repeat(100))
}

/// The field section of a request (RFC 7541, literal fields without indexing).
fn fields(http11: &[u8]) -> Vec<u8> {
    let end = http11.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let text = std::str::from_utf8(&http11[..end]).unwrap();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    let host = fields.iter().find(|(name, _)| *name == "host").unwrap().1;
    let pseudo = [(":method", method), (":scheme", "http"), (":path", target), (":authority", host)];
    pseudo.iter().chain(&fields).flat_map(|(name, value)| field(name, value)).collect()
}

fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &length(name), name.as_bytes(), &length(value), value.as_bytes()].concat()
}

/// A length with a prefix of seven bits (RFC 7541 section 5.1).
fn length(text: &str) -> Vec<u8> {
    const PREFIX: usize = 127;
    let Some(mut rest) = text.len().checked_sub(PREFIX) else {
        return vec![u8::try_from(text.len()).unwrap()];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}
