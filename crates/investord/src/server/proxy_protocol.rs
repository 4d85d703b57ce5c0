//! The PROXY protocol, versions 1 and 2.
//!
//! Specification: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::io;
use std::net::IpAddr;

use ppp::HeaderResult;
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Maximum length of a version 1 header in bytes, including its line break (section 2.1 of the specification).
const MAX_TEXT: usize = 107;
/// Maximum length of a version 2 header in bytes. Addresses take at most 216; the rest is room for the additional
/// fields (TLV) of proxies.
const MAX_BINARY: usize = 2048;

/// Reads the header and no byte beyond it. Returns the client's address; `None` if the proxy connects on its own
/// behalf, as for its health checks, or if the address family is not IP.
///
/// # Errors
///
/// Fails with `InvalidData` if the first bytes are not a valid header, otherwise with the error of the connection.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        // The fixed part: version and command, address family, and the length of the rest in two bytes.
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        header.extend(fixed);
        let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if header.len() + length > MAX_BINARY {
            return Err(invalid("the header is too long"));
        }
        let fixed = header.len();
        header.resize(fixed + length, 0);
        stream.read_exact(&mut header[fixed..]).await?;
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        // Byte by byte: version 1 has no length, and the bytes after its line break belong to HTTP.
        while !header.ends_with(v1::PROTOCOL_SUFFIX.as_bytes()) {
            if header.len() == MAX_TEXT {
                return Err(invalid("the header is too long"));
            }
            header.push(stream.read_u8().await?);
        }
    }
    match HeaderResult::parse(&header) {
        HeaderResult::V1(Ok(v1::Header { addresses, .. })) => Ok(match addresses {
            v1::Addresses::Tcp4(pair) => Some(pair.source_address.into()),
            v1::Addresses::Tcp6(pair) => Some(pair.source_address.into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(v2::Header { command: v2::Command::Local, .. })) => Ok(None),
        HeaderResult::V2(Ok(v2::Header { addresses, .. })) => Ok(match addresses {
            v2::Addresses::IPv4(pair) => Some(pair.source_address.into()),
            v2::Addresses::IPv6(pair) => Some(pair.source_address.into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        }),
        HeaderResult::V1(Err(error)) => Err(invalid(error)),
        HeaderResult::V2(Err(error)) => Err(invalid(error)),
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the result of the parser and the bytes that it has not consumed.
    async fn read_of(mut sent: &[u8]) -> (Result<Option<IpAddr>, io::ErrorKind>, &[u8]) {
        let outcome = read(&mut sent).await.map_err(|error| error.kind());
        (outcome, sent)
    }

    /// Returns a version 2 header with this command and address family, and these bytes after its length.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn a_header_names_the_peer_and_leaves_what_follows() {
        let v4 = [198, 51, 100, 7, 10, 0, 0, 1, 0xc0, 0, 1, 0xbb];
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[1, 2, 3, 4]].concat();
        let with_fields = [&v4[..], &[4, 0, 3, 1, 2, 3]].concat();
        for (header, expected) in [
            (b"PROXY TCP4 198.51.100.7 10.0.0.1 49152 443\r\n".to_vec(), Some("198.51.100.7")),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 49152 443\r\n".to_vec(), Some("2001:db8::7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (binary(1, 0x11, &v4), Some("198.51.100.7")),
            (binary(1, 0x11, &with_fields), Some("198.51.100.7")),
            (binary(1, 0x21, &v6), Some("2001:db8::7")),
            (binary(0, 0x11, &v4), None),
            (binary(0, 0, &[]), None),
            (binary(1, 0x31, &[0; 216]), None),
        ] {
            let sent = [&header[..], b"GET / HTTP/1.1"].concat();
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(read_of(&sent).await, (Ok(expected), &b"GET / HTTP/1.1"[..]), "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 100], b"\r\n".to_vec()].concat();
        for sent in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03hello".to_vec(),
            b"PROXY TCP4 198.51.100.700 10.0.0.1 49152 443\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 10.0.0.1 49152 443\r\n".to_vec(),
            b"PROXYTCP4 1.2.3.4 10.0.0.1 1 2\r\n".to_vec(),
            long,
            binary(1, 0x11, &[1, 2, 3]),
            binary(2, 0x11, &[0; 12]),
            binary(1, 0x11, &[0; MAX_BINARY]),
        ] {
            assert_eq!(read_of(&sent).await.0, Err(io::ErrorKind::InvalidData), "{sent:?}");
        }
        for sent in [&b""[..], b"PROXY", b"PROXY TCP4 198.51.100.7 10", &binary(1, 0x11, &[0; 12])[..20]] {
            assert_eq!(read_of(sent).await.0, Err(io::ErrorKind::UnexpectedEof), "{sent:?}");
        }
    }
}
