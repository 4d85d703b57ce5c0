//! Croatia: personal identification number (OIB).

use crate::{numbers, spellings};

#[test]
fn identification_numbers() {
    numbers(
        "HR",
        "OIB",
        &[
            // Every check digit.
            ("51267868910", "", ""),
            ("51267868901", "", ""),
            ("51267868952", "", ""),
            ("51267868993", "", ""),
            ("51267868944", "", ""),
            ("51267868985", "", ""),
            ("51267868936", "", ""),
            ("51267868977", "", ""),
            ("51267868928", "", ""),
            ("51267868969", "", ""),
            // The smallest and largest ones.
            ("51267868081", "", ""),
            ("00000000001", "", ""),
            ("00000000010", "", ""),
            ("99999999994", "", ""),
        ],
    );
}

#[test]
fn wrong_identification_numbers() {
    numbers(
        "HR",
        "OIB",
        &[
            // The last digit wrong by one to nine.
            ("51267868082", "check digit is 2, must be 1", ""),
            ("51267868083", "check digit is 3, must be 1", ""),
            ("51267868084", "check digit is 4, must be 1", ""),
            ("51267868085", "check digit is 5, must be 1", ""),
            ("51267868086", "check digit is 6, must be 1", ""),
            ("51267868087", "check digit is 7, must be 1", ""),
            ("51267868088", "check digit is 8, must be 1", ""),
            ("51267868089", "check digit is 9, must be 1", ""),
            ("51267868080", "check digit is 0, must be 1", ""),
            // Each other digit wrong by one.
            ("61267868081", "check digit is 1, must be 8", ""),
            ("52267868081", "check digit is 1, must be 8", ""),
            ("51367868081", "check digit is 1, must be 0", ""),
            ("51277868081", "check digit is 1, must be 4", ""),
            ("51268868081", "check digit is 1, must be 5", ""),
            ("51267968081", "check digit is 1, must be 5", ""),
            ("51267878081", "check digit is 1, must be 0", ""),
            ("51267869081", "check digit is 1, must be 7", ""),
            ("51267868181", "check digit is 1, must be 8", ""),
            ("51267868091", "check digit is 1, must be 0", ""),
            // Neighbours exchanged.
            ("15267868081", "check digit is 1, must be 0", ""),
            ("52167868081", "check digit is 1, must be 0", ""),
            ("51627868081", "check digit is 1, must be 8", ""),
            ("51276868081", "check digit is 1, must be 5", ""),
            ("51267688081", "check digit is 1, must be 8", ""),
            ("51267886081", "check digit is 1, must be 0", ""),
            ("51267860881", "check digit is 1, must be 7", ""),
            ("51267868801", "check digit is 1, must be 5", ""),
            // Lengths.
            ("", "has 0 characters, must have 11 digits", ""),
            ("7", "has 1 character, must have 11 digits", ""),
            ("512678680810", "has 12 characters, must have 11 digits", ""),
            ("5126786808151267868081", "has 22 characters, must have 11 digits", ""),
            // Characters other than ASCII digits.
            ("X1267868081", "character 1 is 'X', must be a digit", ""),
            ("5126X868081", "character 5 is 'X', must be a digit", ""),
            ("5126786808X", "character 11 is 'X', must be a digit", ""),
            ("51٣67868081", "character 3 is '٣', must be a digit", ""),
            ("O126786808l", "character 1 is 'O', must be a digit | character 11 is 'l', must be a digit", ""),
            ("5126 868081", "character 5 is ' ', must be a digit", ""),
            ("5126-868081", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_an_identification_number() {
    spellings(
        "HR",
        "OIB",
        &[
            ("HR 51267868081", "HR51267868081"),
            ("512 678 680 81", "51267868081"),
            ("51267868081.", "51267868081"),
        ],
    );
}
