//! Malta: identity card number.

use crate::{numbers, spellings};

#[test]
fn identity_card_numbers() {
    numbers(
        "MT",
        "ID",
        &[
            // Malta and Gozo, by century, and Maltese born abroad.
            ("0695961M", "", ""),
            ("0695961G", "", ""),
            ("0695961B", "", ""),
            ("0695961Z", "", ""),
            ("0695961P", "", ""),
            ("0695999M", "", ""),
            ("0000100G", "", ""),
            ("9999900Z", "", ""),
            // In the 2000s the last two digits are a year that must have come.
            ("0695900L", "", ""),
            ("0695926L", "", ""),
            ("0695926H", "", ""),
            ("0695927L", "its date is in the future, in 2027", ""),
            ("0695999H", "its date is in the future, in 2099", ""),
            // Foreigners.
            ("0695961A", "soft: is a number of a foreigner with a residence permit", ""),
            ("0695999A", "soft: is a number of a foreigner with a residence permit", ""),
        ],
    );
}

#[test]
fn wrong_identity_card_numbers() {
    numbers(
        "MT",
        "ID",
        &[
            // Serial number 0.
            ("0000061M", "the serial number is 00000, must be 00001 or more", ""),
            (
                "0000061Q",
                "the serial number is 00000, must be 00001 or more | the suffix is Q, must be M, G, L, H, B, Z, P or A",
                "",
            ),
            // Letters that are none.
            ("0695961C", "the suffix is C, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961D", "the suffix is D, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961E", "the suffix is E, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961F", "the suffix is F, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961I", "the suffix is I, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961J", "the suffix is J, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961K", "the suffix is K, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961N", "the suffix is N, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961O", "the suffix is O, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961Q", "the suffix is Q, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961R", "the suffix is R, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961S", "the suffix is S, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961T", "the suffix is T, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961U", "the suffix is U, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961V", "the suffix is V, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961W", "the suffix is W, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961X", "the suffix is X, must be M, G, L, H, B, Z, P or A", ""),
            ("0695961Y", "the suffix is Y, must be M, G, L, H, B, Z, P or A", ""),
            // Lengths and characters.
            ("695961G", "has 7 characters, must have 7 digits and a letter; a leading zero is missing?", ""),
            ("00695961G", "has 9 characters, must have 7 digits and a letter", ""),
            ("", "has 0 characters, must have 7 digits and a letter", ""),
            ("06959611", "character 8 is '1', must be a capital letter", ""),
            ("O695961G", "character 1 is 'O', must be a digit", ""),
            ("0695961g", "character 8 is 'g', must be a capital letter", ""),
        ],
    );
}

/// People leave zeros in front out.
#[test]
fn leading_zeros_are_put_back() {
    spellings(
        "MT",
        "ID",
        &[
            ("695961G", "0695961G"),
            ("695961g", "0695961G"),
            ("95961G", "0095961G"),
            ("161M", "0000161M"),
            ("11M", "0000011M"),
            ("1M", "1M"),
            ("M", "M"),
            ("0695961G", "0695961G"),
            ("69596 1(G)", "0695961G"),
            ("069596 1 G", "0695961G"),
            ("ABC", "ABC"),
            ("A95961G", "A95961G"),
            ("695961", "00695961"),
        ],
    );
}
