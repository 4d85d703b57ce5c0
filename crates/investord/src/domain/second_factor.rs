//! Second factors of operators: time-based codes (TOTP, RFC 6238) and recovery codes.

use jiff::Timestamp;
use totp_rs::{Algorithm, Builder, Secret};
use zeroize::Zeroizing;

/// Bytes of a TOTP secret (RFC 4226 section 4, requirement 6 recommends 160 bits).
pub const SECRET_LENGTH: usize = 20;
/// Bytes of a recovery code: 80 bits cannot be guessed, so that a plain hash of it may be stored.
pub const RECOVERY_CODE_LENGTH: usize = 10;

/// Seconds of a time step, as RFC 6238 section 5.2 recommends.
const STEP_SECONDS: u64 = 30;
/// Digits of a time-based code.
const DIGITS: u8 = 6;
/// Steps by which the clock of a device may differ, to each side (RFC 6238 section 5.2).
const LEEWAY: i64 = 1;

/// The TOTP of an operator. Its parameters are those that every app supports: SHA-1, 6 digits, 30 seconds.
pub struct Totp(totp_rs::Totp);

impl Totp {
    /// Creates the TOTP of a secret. The app shows `account` as its label.
    pub fn new(secret: &[u8; SECRET_LENGTH], account: &str) -> Self {
        // In the label a colon separates the issuer from the account.
        let account = account.replace(':', " ");
        let account = if account.is_empty() { "operator" } else { &account };
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP_SECONDS)
            .with_skew(0)
            .with_secret(*secret)
            .with_account_name(account)
            .with_issuer(Some("Investord"))
            .build();
        Self(totp.expect("valid parameters"))
    }

    /// Returns the secret in base32, for people who type it.
    pub fn secret_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.secret().to_base32())
    }

    /// Returns the address with scheme `otpauth`, for a QR code.
    pub fn address(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_url().expect("an account name without a colon"))
    }

    /// Returns the time step of a code, or `None` if it is wrong or not later than `last`, the step of the last code
    /// that was accepted. RFC 6238 section 5.2 forbids to accept a code twice. After the clock was set back, no code
    /// is accepted until it has passed `last` again.
    pub fn step_of(&self, code: &str, now: Timestamp, last: Option<i64>) -> Option<i64> {
        let current = i64::try_from(u64::try_from(now.as_second()).ok()? / STEP_SECONDS).ok()?;
        let is_later = |step: &i64| last.is_none_or(|last| *step > last);
        let is_code_of = |step: &i64| {
            let second = u64::try_from(*step).ok().and_then(|step| step.checked_mul(STEP_SECONDS));
            second.is_some_and(|second| self.0.check(code, second).is_some())
        };
        (current - LEEWAY..=current + LEEWAY).filter(is_later).find(is_code_of)
    }
}

/// A recovery code, in the place of a time-based code when the device is lost.
pub struct RecoveryCode(pub Zeroizing<[u8; RECOVERY_CODE_LENGTH]>);

impl RecoveryCode {
    /// Returns the code in base32, in groups of four: `ABCD-EFGH-IJKL-MNOP`.
    pub fn text(&self) -> String {
        let letters = Zeroizing::new(Secret::new((*self.0).into()).to_base32());
        let groups = letters.as_bytes().chunks(4).map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join("-")
    }
}

/// A code as it was sent.
pub enum SentCode {
    /// Six digits.
    Totp(Zeroizing<String>),
    Recovery(RecoveryCode),
}

impl SentCode {
    /// Parses a code, in capitals or not, with blanks or hyphens between its groups; `None` if it is of neither form.
    pub fn parse(text: &str) -> Option<Self> {
        let separator = |letter: char| letter == '-' || letter.is_whitespace();
        let text = Zeroizing::new(text.replace(separator, "").to_ascii_uppercase());
        if text.len() == usize::from(DIGITS) && text.bytes().all(|letter| letter.is_ascii_digit()) {
            return Some(Self::Totp(text));
        }
        let bytes = Secret::try_from_base32(&*text).ok()?;
        Some(Self::Recovery(RecoveryCode(Zeroizing::new(bytes.as_bytes().try_into().ok()?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8; SECRET_LENGTH] = b"12345678901234567890";

    fn step(code: &str, second: i64, last: Option<i64>) -> Option<i64> {
        Totp::new(SECRET, "anna").step_of(code, Timestamp::from_second(second).unwrap(), last)
    }

    /// The last six digits of the table in RFC 6238, appendix B.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step(code, second, None), Some(second / 30), "{second}");
        }
    }

    #[test]
    fn a_code_counts_once_and_one_step_to_each_side() {
        let (code, own) = ("050471", 1_111_111_111 / 30);
        let start = own * 30;
        let taken = [-31, -30, -1, 0, 29, 30, 59, 60].map(|at| step(code, start + at, None).is_some());
        assert_eq!(taken, [false, true, true, true, true, true, true, false]);
        assert_eq!(step(code, start, Some(own - 1)), Some(own));
        for last in [own, own + 1, own + 1000] {
            assert_eq!(step(code, start, Some(last)), None);
        }
        for wrong in ["050472", "50471", "+50471", "0504711", "", "äöü"] {
            assert_eq!(step(wrong, start, None), None, "{wrong}");
        }
        assert_eq!(step(code, -start, None), None);
    }

    #[test]
    fn apps_read_the_address() {
        let read = |account: &str| Totp::new(SECRET, account).address().to_string();
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(read("anna"), format!("otpauth://totp/Investord:anna?secret={secret}&issuer=Investord"));
        assert!(
            read("a:b/c?ä").starts_with("otpauth://totp/Investord:a%20b%2Fc%3F%C3%A4?"),
            "{}",
            read("a:b/c?ä")
        );
        assert!(read("").starts_with("otpauth://totp/Investord:operator?"));
        assert_eq!(*Totp::new(SECRET, "anna").secret_base32(), secret);
    }

    #[test]
    fn codes_are_typed_in_many_ways() {
        let code = RecoveryCode(Zeroizing::new([0, 1, 2, 3, 4, 5, 250, 251, 252, 253]));
        let text = code.text();
        assert_eq!(text, "AAAQ-EAYE-AX5P-X7H5");
        for typed in [text.clone(), text.replace('-', " "), text.replace('-', ""), text.to_lowercase()] {
            let Some(SentCode::Recovery(read)) = SentCode::parse(&typed) else { panic!("{typed}") };
            assert_eq!(read.0, code.0);
        }
        assert!(matches!(SentCode::parse(" 012 345"), Some(SentCode::Totp(code)) if *code == "012345"));
        for wrong in ["", "01234", "0123456", "AAAQ-EAYE-AX5P", "AAAQ-EAYE-AX5P-X7H5-AAAA", "ü", "١٢٣٤٥٦"]
        {
            assert!(SentCode::parse(wrong).is_none(), "{wrong}");
        }
    }
}
