//! PEM files in lenient form: with text around, other line lengths, several blocks (RFC 7468, RFC 1421).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A PEM block.
pub(crate) struct Block<'a> {
    /// The label behind `BEGIN`, such as `PUBLIC KEY`.
    pub label: &'a str,
    /// Whether the block has the `Proc-Type: 4,ENCRYPTED` header of the OpenSSL format before PKCS#8.
    pub legacy_encryption: bool,
    body: &'a str,
}

impl Block<'_> {
    /// Decodes the DER of the block; `None` if the base64 is damaged.
    pub fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let text: Zeroizing<String> = Zeroizing::new(self.body.split_ascii_whitespace().collect());
        STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
    }
}

/// Returns all blocks of a text in their order. A block without an end is left out.
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

/// Writes a PEM block with lines of 64 characters (RFC 7468 section 2).
pub(crate) fn write(label: &str, der: &[u8]) -> String {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let lines = encoded.len().div_ceil(64);
    // The full size is reserved: a reallocation would leave a piece of a private key on the heap.
    let mut pem = String::with_capacity(2 * label.len() + 40 + encoded.len() + lines);
    pem.extend(["-----BEGIN ", label, "-----\n"]);
    for start in (0..encoded.len()).step_by(64) {
        pem.extend([&encoded[start..encoded.len().min(start + 64)], "\n"]);
    }
    pem.extend(["-----END ", label, "-----\n"]);
    pem
}
