//! Hashes that need no key: whoever has one can try values until one fits.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use md5::{Digest as _, Md5};

pub fn hashes(bytes: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    [
        ("SHA-1", digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()),
        ("SHA-256", digest(&SHA256, bytes).as_ref().to_vec()),
        ("SHA-512", digest(&SHA512, bytes).as_ref().to_vec()),
        ("MD5", Md5::digest(bytes).to_vec()),
    ]
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
