//! PEM files as people have them: with text around, other line lengths, several blocks (RFC 7468, RFC 1421).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub(crate) struct Block<'a> {
    pub label: &'a str,
    /// Whether the block has the `Proc-Type: 4,ENCRYPTED` header of the OpenSSL format before PKCS#8.
    pub legacy_encryption: bool,
    body: &'a str,
}

impl Block<'_> {
    /// The DER inside.
    pub fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let text: Zeroizing<String> = Zeroizing::new(self.body.split_ascii_whitespace().collect());
        STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
    }
}

/// All blocks of a text, in order. What is not closed is left out.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----") else { break };
        let end = format!("-----END {label}-----");
        let Some((body, after)) = after.split_once(end.as_str()) else { break };
        blocks.push(Block { label, legacy_encryption: body.contains("ENCRYPTED"), body });
        rest = after;
    }
    blocks
}

/// A block with lines of 64 characters.
pub(crate) fn write(label: &str, der: &[u8]) -> String {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let lines = encoded.len().div_ceil(64);
    // Reserved in full, so that no abandoned piece of a private key stays on the heap.
    let mut pem = String::with_capacity(2 * label.len() + 40 + encoded.len() + lines);
    pem.extend(["-----BEGIN ", label, "-----\n"]);
    for start in (0..encoded.len()).step_by(64) {
        pem.extend([&encoded[start..encoded.len().min(start + 64)], "\n"]);
    }
    pem.extend(["-----END ", label, "-----\n"]);
    pem
}
