//! Portugal: tax number (NIF).

use crate::{numbers, spellings};

#[test]
fn numbers_of_persons() {
    numbers(
        "PT",
        "NIF",
        &[
            // Residents, since 2019 with 3, and non-residents.
            ("263745830", "", ""),
            ("100000002", "", ""),
            ("299999998", "", ""),
            ("300000006", "", ""),
            ("450000001", "", ""),
            ("459999990", "", ""),
            // Every rest of the division; 0 and 1 give 0.
            ("263745880", "", ""),
            ("263745830", "", ""),
            ("263745899", "", ""),
            ("263745848", "", ""),
            ("263740137", "", ""),
            ("263745856", "", ""),
            ("263745805", "", ""),
            ("263745864", "", ""),
            ("263745813", "", ""),
            ("263745872", "", ""),
            ("263745821", "", ""),
        ],
    );
}

#[test]
fn wrong_numbers() {
    numbers(
        "PT",
        "NIF",
        &[
            // The check digit.
            ("263745831", "check digit is 1, must be 0", ""),
            ("263745835", "check digit is 5, must be 0", ""),
            ("263745839", "check digit is 9, must be 0", ""),
            (
                "623745830",
                "check digit is 0, must be 6 | the beginning is 62, must be 1, 2, 3 or 45 in front; others are not persons",
                "",
            ),
            // Companies and bodies.
            ("000000019", "the beginning is 00, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("400000008", "the beginning is 40, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("449999998", "the beginning is 44, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("460000004", "the beginning is 46, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("500000000", "the beginning is 50, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("600000001", "the beginning is 60, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("700000003", "the beginning is 70, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("710000006", "the beginning is 71, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("900000007", "the beginning is 90, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            ("999999990", "the beginning is 99, must be 1, 2, 3 or 45 in front; others are not persons", ""),
            // Sole traders, whose numbers are no longer given.
            ("800000005", "soft: is a number of a sole trader, as it is no longer given", ""),
            ("899999999", "soft: is a number of a sole trader, as it is no longer given", ""),
            // Lengths.
            ("", "has 0 characters, must have 9 digits", ""),
            ("7", "has 1 character, must have 9 digits", ""),
            ("2637458300", "has 10 characters, must have 9 digits", ""),
            ("263745830263745830", "has 18 characters, must have 9 digits", ""),
            // Characters other than ASCII digits.
            ("X63745830", "character 1 is 'X', must be a digit", ""),
            ("263X45830", "character 4 is 'X', must be a digit", ""),
            ("26374583X", "character 9 is 'X', must be a digit", ""),
            ("26٣745830", "character 3 is '٣', must be a digit", ""),
            ("O6374583l", "character 1 is 'O', must be a digit | character 9 is 'l', must be a digit", ""),
            ("2637 5830", "character 5 is ' ', must be a digit", ""),
            ("2637-5830", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_a_number() {
    spellings(
        "PT",
        "NIF",
        &[
            ("263 745 830", "263745830"),
            ("263.745.830", "263745830"),
            ("263-745-830", "263745830"),
            ("'263745830", "263745830"),
        ],
    );
}
