//! Spain: tax number of persons (NIF).

use crate::{numbers, spellings};

#[test]
fn numbers_of_the_identity_card() {
    numbers(
        "ES",
        "NIF",
        &[
            // All 23 letters.
            ("00000000T", "", ""),
            ("00000001R", "", ""),
            ("00000002W", "", ""),
            ("00000003A", "", ""),
            ("00000004G", "", ""),
            ("00000005M", "", ""),
            ("00000006Y", "", ""),
            ("00000007F", "", ""),
            ("00000008P", "", ""),
            ("00000009D", "", ""),
            ("00000010X", "", ""),
            ("00000011B", "", ""),
            ("00000012N", "", ""),
            ("00000013J", "", ""),
            ("00000014Z", "", ""),
            ("00000015S", "", ""),
            ("00000016Q", "", ""),
            ("00000017V", "", ""),
            ("00000018H", "", ""),
            ("00000019L", "", ""),
            ("00000020C", "", ""),
            ("00000021K", "", ""),
            ("00000022E", "", ""),
            // Leading zeros, and the largest number.
            ("50607080L", "", ""),
            ("00000000T", "", ""),
            ("00000001R", "", ""),
            ("01234567L", "", ""),
            ("99999999R", "", ""),
        ],
    );
}

#[test]
fn other_numbers_of_persons() {
    numbers(
        "ES",
        "NIF",
        &[
            // Spaniards without an identity card: under 14 (K) and abroad (L). The letter in front does not count.
            ("K1234567L", "", ""),
            ("L1234567L", "", ""),
            ("K0000000T", "", ""),
            // Foreigners.
            ("M1234567L", "soft: is an M number, which foreigners without NIE have", ""),
            ("X1234567L", "soft: is an NIE, which foreigners have", ""),
            ("Y1234567X", "soft: is an NIE, which foreigners have", ""),
            ("Z1234567R", "soft: is an NIE, which foreigners have", ""),
            ("X0000000T", "soft: is an NIE, which foreigners have", ""),
            ("Z9999999H", "soft: is an NIE, which foreigners have", ""),
        ],
    );
}

#[test]
fn wrong_numbers() {
    numbers(
        "ES",
        "NIF",
        &[
            ("50607080T", "check digit is T, must be L", ""),
            ("50607081L", "check digit is L, must be C", ""),
            ("05607080L", "check digit is L, must be W", ""),
            ("X1234567A", "check digit is A, must be L | soft: is an NIE, which foreigners have", ""),
            ("X1234567I", "check digit is I, must be L | soft: is an NIE, which foreigners have", ""),
            // Lengths: eight digits miss the letter, eleven characters carry the country.
            ("5060708L", "has 8 characters, must have 9 characters", ""),
            ("ES50607080L", "has 11 characters, must have 9 characters", ""),
            ("", "has 0 characters, must have 9 characters", ""),
            // Characters.
            ("506070801", "check digit is 1, must be L", ""),
            ("5060708OL", "character 8 is 'O', must be a digit", ""),
            ("50607080l", "character 9 is 'l', must be a capital letter or a digit", ""),
            ("x1234567L", "character 1 is 'x', must be a capital letter or a digit", ""),
            ("5060-080L", "character 5 is '-', must be a digit", ""),
            ("Ñ0607080L", "character 1 is 'Ñ', must be a capital letter or a digit", ""),
        ],
    );
}

/// Their numbers have another first letter, or one that is not issued.
#[test]
fn companies_and_bodies() {
    numbers(
        "ES",
        "NIF",
        &[
            (
                "A1234567A",
                "the beginning is A, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "B1234567A",
                "the beginning is B, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "E1234567A",
                "the beginning is E, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "H1234567A",
                "the beginning is H, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "I1234567A",
                "the beginning is I, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "J1234567A",
                "the beginning is J, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "N1234567A",
                "the beginning is N, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "O1234567A",
                "the beginning is O, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "P1234567A",
                "the beginning is P, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "S1234567A",
                "the beginning is S, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "U1234567A",
                "the beginning is U, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
            (
                "W1234567A",
                "the beginning is W, must be a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
                "",
            ),
        ],
    );
}

#[test]
fn spellings_of_a_number() {
    spellings(
        "ES",
        "NIF",
        &[
            ("50607080-l", "50607080L"),
            ("50.607.080-L", "50607080L"),
            ("50 607 080 L", "50607080L"),
            ("x-1234567-l", "X1234567L"),
            ("'50607080L", "50607080L"),
        ],
    );
}
