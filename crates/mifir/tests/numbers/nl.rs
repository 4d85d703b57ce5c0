//! Netherlands: passport and identity card.

use crate::{numbers, spellings};

#[test]
fn passports() {
    numbers(
        "NL",
        "PASSPORT",
        &[
            ("SNE2EHKP1", "", ""),
            ("ESX8HT5I2", "", ""),
            ("AA0000000", "", ""),
            ("ZZZZZZZZ9", "", ""),
            ("NXB1C2D30", "", ""),
            // The letter O is never used, and the last place is a digit.
            ("OA1234567", "character 1 is 'O', must be a capital letter other than O", ""),
            ("AO1234567", "character 2 is 'O', must be a capital letter other than O", ""),
            ("AB12O4567", "character 5 is 'O', must be a digit or a capital letter other than O", ""),
            ("AB123456O", "character 9 is 'O', must be a digit", ""),
            ("AB123456X", "character 9 is 'X', must be a digit", ""),
            ("A11234567", "character 2 is '1', must be a capital letter other than O", ""),
            ("1B1234567", "character 1 is '1', must be a capital letter other than O", ""),
            // A citizen service number (BSN) is none of them.
            (
                "123456782",
                "character 1 is '1', must be a capital letter other than O | character 2 is '2', must be a capital letter other than O",
                "",
            ),
            // Lengths and characters.
            ("SNE2EHKP", "has 8 characters, must have 9 characters", ""),
            ("SNE2EHKP12", "has 10 characters, must have 9 characters", ""),
            ("", "has 0 characters, must have 9 characters", ""),
            ("sNE2EHKP1", "character 1 is 's', must be a capital letter other than O", ""),
            ("SNE2-HKP1", "character 5 is '-', must be a digit or a capital letter other than O", ""),
        ],
    );
}

#[test]
fn identity_cards() {
    numbers(
        "NL",
        "IDCARD",
        &[
            ("SNE2EHKP1", "", ""),
            ("ESX8HT5I2", "", ""),
            ("AA0000000", "", ""),
            ("ZZZZZZZZ9", "", ""),
            ("NXB1C2D30", "", ""),
            // The letter O is never used, and the last place is a digit.
            ("OA1234567", "character 1 is 'O', must be a capital letter other than O", ""),
            ("AO1234567", "character 2 is 'O', must be a capital letter other than O", ""),
            ("AB12O4567", "character 5 is 'O', must be a digit or a capital letter other than O", ""),
            ("AB123456O", "character 9 is 'O', must be a digit", ""),
            ("AB123456X", "character 9 is 'X', must be a digit", ""),
            ("A11234567", "character 2 is '1', must be a capital letter other than O", ""),
            ("1B1234567", "character 1 is '1', must be a capital letter other than O", ""),
            // A citizen service number (BSN) is none of them.
            (
                "123456782",
                "character 1 is '1', must be a capital letter other than O | character 2 is '2', must be a capital letter other than O",
                "",
            ),
            // Lengths and characters.
            ("SNE2EHKP", "has 8 characters, must have 9 characters", ""),
            ("SNE2EHKP12", "has 10 characters, must have 9 characters", ""),
            ("", "has 0 characters, must have 9 characters", ""),
            ("sNE2EHKP1", "character 1 is 's', must be a capital letter other than O", ""),
            ("SNE2-HKP1", "character 5 is '-', must be a digit or a capital letter other than O", ""),
        ],
    );
}

#[test]
fn spellings_of_a_passport() {
    spellings(
        "NL",
        "PASSPORT",
        &[
            ("sne2ehkp1", "SNE2EHKP1"),
            ("SNE 2EHKP 1", "SNE2EHKP1"),
            ("SNE2-EHKP-1", "SNE2EHKP1"),
            ("'SNE2EHKP1", "SNE2EHKP1"),
        ],
    );
}
