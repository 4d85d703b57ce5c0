//! Greece: investor share of the Dematerialised Securities System (DSS).

use crate::{numbers, spellings};

#[test]
fn investor_shares() {
    numbers(
        "GR",
        "DSS",
        &[
            // No check digit is public, so every number of ten digits is possible.
            ("9155098368", "", ""),
            ("0000000001", "", ""),
            ("9999999999", "", ""),
            ("0601098553", "", ""),
            // A tax number (AFM) has nine digits, a social security number (AMKA) eleven.
            ("123456789", "has 9 characters, must have 10 digits; a leading zero is missing?", ""),
            ("01015012345", "has 11 characters, must have 10 digits", ""),
            // Lengths.
            ("", "has 0 characters, must have 10 digits", ""),
            ("7", "has 1 character, must have 10 digits", ""),
            ("91550983680", "has 11 characters, must have 10 digits", ""),
            ("91550983689155098368", "has 20 characters, must have 10 digits", ""),
            // Characters other than ASCII digits.
            ("X155098368", "character 1 is 'X', must be a digit", ""),
            ("9155X98368", "character 5 is 'X', must be a digit", ""),
            ("915509836X", "character 10 is 'X', must be a digit", ""),
            ("91٣5098368", "character 3 is '٣', must be a digit", ""),
            ("O15509836l", "character 1 is 'O', must be a digit | character 10 is 'l', must be a digit", ""),
            ("9155 98368", "character 5 is ' ', must be a digit", ""),
            ("9155-98368", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_an_investor_share() {
    spellings(
        "GR",
        "DSS",
        &[("915 509 8368", "9155098368"), ("9155-098368", "9155098368"), ("9.155.098.368", "9155098368")],
    );
}
