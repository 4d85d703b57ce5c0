//! Passports and identity cards, by country.

use crate::{numbers, spellings};

#[test]
fn passports_of_cy() {
    numbers(
        "CY",
        "PASSPORT",
        &[
            ("E123456", "", ""),
            ("K12345678", "", ""),
            // Other forms are possible, because series come and go.
            ("E1234567", "soft: does not look as usual: E and 6 digits, or K and 8 digits", ""),
            ("K1234567", "soft: does not look as usual: E and 6 digits, or K and 8 digits", ""),
            ("L123456", "soft: does not look as usual: E and 6 digits, or K and 8 digits", ""),
            ("123456", "soft: does not look as usual: E and 6 digits, or K and 8 digits", ""),
            ("EK123456", "soft: does not look as usual: E and 6 digits, or K and 8 digits", ""),
        ],
    );
}

#[test]
fn passports_of_cz() {
    numbers(
        "CZ",
        "PASSPORT",
        &[
            ("12345678", "", ""),
            ("00000000", "", ""),
            // Other forms are possible, because series come and go.
            ("123456789", "soft: does not look as usual: 8 digits", ""),
            ("AB123456", "soft: does not look as usual: 8 digits", ""),
            ("X2345678", "soft: does not look as usual: 8 digits", ""),
        ],
    );
}

#[test]
fn passports_of_gb() {
    numbers(
        "GB",
        "PASSPORT",
        &[
            ("123456789", "", ""),
            // Other forms are possible, because series come and go.
            ("AB1234567", "soft: does not look as usual: 9 digits", ""),
            ("ABC12345", "soft: does not look as usual: 9 digits", ""),
        ],
    );
}

#[test]
fn passports_of_jp() {
    numbers(
        "JP",
        "PASSPORT",
        &[
            ("TK1234567", "", ""),
            // Other forms are possible, because series come and go.
            ("T12345678", "soft: does not look as usual: 2 letters and 7 digits", ""),
            ("TK123456", "soft: does not look as usual: 2 letters and 7 digits", ""),
            ("123456789", "soft: does not look as usual: 2 letters and 7 digits", ""),
        ],
    );
}

#[test]
fn passports_of_li() {
    numbers(
        "LI",
        "PASSPORT",
        &[
            ("R12345", "", ""),
            // Other forms are possible, because series come and go.
            ("RR1234", "soft: does not look as usual: a letter and 5 digits", ""),
            ("R1234567", "soft: does not look as usual: a letter and 5 digits", ""),
            ("123456", "soft: does not look as usual: a letter and 5 digits", ""),
        ],
    );
}

#[test]
fn passports_of_lt() {
    numbers(
        "LT",
        "PASSPORT",
        &[
            ("12345678", "", ""),
            // Other forms are possible, because series come and go.
            ("AB123456", "soft: does not look as usual: 8 digits", ""),
            ("123456789", "soft: does not look as usual: 8 digits", ""),
        ],
    );
}

#[test]
fn passports_of_mt() {
    numbers(
        "MT",
        "PASSPORT",
        &[
            ("1234567", "", ""),
            // Other forms are possible, because series come and go.
            ("M123456", "soft: does not look as usual: 7 digits", ""),
            ("12345678", "soft: does not look as usual: 7 digits", ""),
        ],
    );
}

#[test]
fn passports_of_pt() {
    numbers(
        "PT",
        "PASSPORT",
        &[
            ("L123456", "", ""),
            ("CA123456", "", ""),
            // Other forms are possible, because series come and go.
            ("CAB12345", "soft: does not look as usual: 1 or 2 letters and 6 digits", ""),
            ("1234567", "soft: does not look as usual: 1 or 2 letters and 6 digits", ""),
            ("C1234567", "soft: does not look as usual: 1 or 2 letters and 6 digits", ""),
        ],
    );
}

#[test]
fn passports_of_ro() {
    numbers(
        "RO",
        "PASSPORT",
        &[
            ("AB123456", "", ""),
            ("12345678", "", ""),
            ("123456789", "", ""),
            // Other forms are possible, because series come and go.
            ("A1234567", "soft: does not look as usual: 2 letters and 6 digits, or 8 or 9 digits", ""),
            (
                "1234567",
                "soft: does not look as usual: 2 letters and 6 digits, or 8 or 9 digits; a leading zero is missing?",
                "",
            ),
            ("ABC12345", "soft: does not look as usual: 2 letters and 6 digits, or 8 or 9 digits", ""),
        ],
    );
}

#[test]
fn passports_of_sk() {
    numbers(
        "SK",
        "PASSPORT",
        &[
            ("AB1234567", "", ""),
            // Other forms are possible, because series come and go.
            ("A12345678", "soft: does not look as usual: 2 letters and 7 digits", ""),
            ("AB123456", "soft: does not look as usual: 2 letters and 7 digits", ""),
            ("123456789", "soft: does not look as usual: 2 letters and 7 digits", ""),
        ],
    );
}

#[test]
fn passports_of_us() {
    numbers(
        "US",
        "PASSPORT",
        &[
            ("418867337", "", ""),
            ("A12345678", "", ""),
            // Other forms are possible, because series come and go.
            ("AB1234567", "soft: does not look as usual: 9 digits, or a letter and 8 digits", ""),
            ("12345678X", "soft: does not look as usual: 9 digits, or a letter and 8 digits", ""),
        ],
    );
}

#[test]
fn passports_of_de() {
    numbers(
        "DE",
        "PASSPORT",
        &[
            ("C01X00T47", "", ""),
            ("12345", "", ""),
            ("ABCDE", "", ""),
            ("A1B2C3D4E", "", ""),
            ("123456789", "", ""),
            // Lengths.
            ("1234", "has 4 characters, must have 5 to 9 characters", ""),
            ("", "has 0 characters, must have 5 to 9 characters", ""),
            ("1", "has 1 character, must have 5 to 9 characters", ""),
            ("1234567890", "has 10 characters, must have 5 to 9 characters", ""),
            // Characters: capital letters and digits alone, and no look-alikes of other scripts.
            ("C01x00T47", "character 4 is 'x', must be a capital letter or a digit", ""),
            ("C01-00T47", "character 4 is '-', must be a capital letter or a digit", ""),
            ("C01 00T47", "character 4 is ' ', must be a capital letter or a digit", ""),
            ("С0100T47", "character 1 is 'С', must be a capital letter or a digit", ""),
            ("ABΑ123", "character 3 is 'Α', must be a capital letter or a digit", ""),
            ("ÄB12345", "character 1 is 'Ä', must be a capital letter or a digit", ""),
        ],
    );
}

#[test]
fn passports_of_fr() {
    numbers(
        "FR",
        "PASSPORT",
        &[
            ("C01X00T47", "", ""),
            ("12345", "", ""),
            ("ABCDE", "", ""),
            ("A1B2C3D4E", "", ""),
            ("123456789", "", ""),
            ("1234", "has 4 characters, must have 5 to 9 characters", ""),
            ("1234567890", "has 10 characters, must have 5 to 9 characters", ""),
        ],
    );
}

#[test]
fn passports_of_pl() {
    numbers(
        "PL",
        "PASSPORT",
        &[
            ("C01X00T47", "", ""),
            ("12345", "", ""),
            ("ABCDE", "", ""),
            ("A1B2C3D4E", "", ""),
            ("123456789", "", ""),
            ("1234", "has 4 characters, must have 5 to 9 characters", ""),
            ("1234567890", "has 10 characters, must have 5 to 9 characters", ""),
        ],
    );
}

#[test]
fn passports_of_ch() {
    numbers(
        "CH",
        "PASSPORT",
        &[
            ("C01X00T47", "", ""),
            ("12345", "", ""),
            ("ABCDE", "", ""),
            ("A1B2C3D4E", "", ""),
            ("123456789", "", ""),
            ("1234", "has 4 characters, must have 5 to 9 characters", ""),
            ("1234567890", "has 10 characters, must have 5 to 9 characters", ""),
        ],
    );
}

#[test]
fn passports_of_xk() {
    numbers(
        "XK",
        "PASSPORT",
        &[
            ("C01X00T47", "", ""),
            ("12345", "", ""),
            ("ABCDE", "", ""),
            ("A1B2C3D4E", "", ""),
            ("123456789", "", ""),
            ("1234", "has 4 characters, must have 5 to 9 characters", ""),
            ("1234567890", "has 10 characters, must have 5 to 9 characters", ""),
        ],
    );
}

#[test]
fn passports_of_au() {
    numbers(
        "AU",
        "PASSPORT",
        &[
            ("C01X00T47", "", ""),
            ("12345", "", ""),
            ("ABCDE", "", ""),
            ("A1B2C3D4E", "", ""),
            ("123456789", "", ""),
            ("1234", "has 4 characters, must have 5 to 9 characters", ""),
            ("1234567890", "has 10 characters, must have 5 to 9 characters", ""),
        ],
    );
}

#[test]
fn identity_cards_of_li() {
    numbers(
        "LI",
        "IDCARD",
        &[
            ("ID12714", "", ""),
            ("C01X00T47", "", ""),
            ("12345", "", ""),
            ("ABCDE", "", ""),
            ("A1B2C3D4E", "", ""),
            ("123456789", "", ""),
            // Lengths.
            ("", "has 0 characters, must have 5 to 9 characters", ""),
            ("1234567890", "has 10 characters, must have 5 to 9 characters", ""),
            // Characters: capital letters and digits alone, and no look-alikes of other scripts.
            ("C01x00T47", "character 4 is 'x', must be a capital letter or a digit", ""),
            ("C01-00T47", "character 4 is '-', must be a capital letter or a digit", ""),
            ("C01 00T47", "character 4 is ' ', must be a capital letter or a digit", ""),
            ("С0100T47", "character 1 is 'С', must be a capital letter or a digit", ""),
            ("ABΑ123", "character 3 is 'Α', must be a capital letter or a digit", ""),
            ("ÄB12345", "character 1 is 'Ä', must be a capital letter or a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_a_passport() {
    spellings(
        "DE",
        "PASSPORT",
        &[
            ("c01x00t47", "C01X00T47"),
            ("C01X 00T47", "C01X00T47"),
            ("C01X-00T47", "C01X00T47"),
            ("C01X.00/T47", "C01X00T47"),
            ("'C01X00T47", "C01X00T47"),
        ],
    );
}
