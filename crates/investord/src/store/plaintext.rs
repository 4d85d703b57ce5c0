//! Decrypted text, which leaves no copy in memory.

use std::ops::Deref;

use zeroize::Zeroize as _;

/// Decrypted text, which is zeroized on drop.
pub struct Plaintext(String);

impl From<String> for Plaintext {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Deref for Plaintext {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Plaintext {
    /// Zeroizes word by word: byte by byte it would cost as much as the decryption (measured on lists).
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        let (head, words, tail) = bytemuck::pod_align_to_mut::<u8, u64>(&mut bytes);
        head.zeroize();
        words.zeroize();
        tail.zeroize();
    }
}
