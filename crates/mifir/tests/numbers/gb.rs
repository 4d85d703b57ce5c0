//! United Kingdom: National Insurance number.

use crate::{numbers, spellings};

#[test]
fn national_insurance_numbers() {
    numbers(
        "GB",
        "NINO",
        &[
            // All four suffixes.
            ("PK030030A", "", ""),
            ("PK030030B", "", ""),
            ("PK030030C", "", ""),
            ("PK030030D", "", ""),
            // First letters that are given.
            ("AA123456A", "", ""),
            ("BA123456A", "", ""),
            ("CA123456A", "", ""),
            ("EA123456A", "", ""),
            ("GA123456A", "", ""),
            ("HA123456A", "", ""),
            ("JA123456A", "", ""),
            ("KA123456A", "", ""),
            ("LA123456A", "", ""),
            ("MA123456A", "", ""),
            ("NA123456A", "", ""),
            ("OA123456A", "", ""),
            ("PA123456A", "", ""),
            ("RA123456A", "", ""),
            ("SA123456A", "", ""),
            ("TA123456A", "", ""),
            ("WA123456A", "", ""),
            ("XA123456A", "", ""),
            ("YA123456A", "", ""),
            ("ZA123456A", "", ""),
            // Second letters that are given.
            ("AA123456B", "", ""),
            ("AB123456B", "", ""),
            ("AC123456B", "", ""),
            ("AE123456B", "", ""),
            ("AG123456B", "", ""),
            ("AH123456B", "", ""),
            ("AJ123456B", "", ""),
            ("AK123456B", "", ""),
            ("AL123456B", "", ""),
            ("AM123456B", "", ""),
            ("AN123456B", "", ""),
            ("AP123456B", "", ""),
            ("AR123456B", "", ""),
            ("AS123456B", "", ""),
            ("AT123456B", "", ""),
            ("AW123456B", "", ""),
            ("AX123456B", "", ""),
            ("AY123456B", "", ""),
            ("AZ123456B", "", ""),
        ],
    );
}

#[test]
fn wrong_national_insurance_numbers() {
    numbers(
        "GB",
        "NINO",
        &[
            // Letters that are never in the prefix, and O, which is never second.
            ("DA123456A", "the prefix is DA, must be one that is given", ""),
            ("FA123456A", "the prefix is FA, must be one that is given", ""),
            ("IA123456A", "the prefix is IA, must be one that is given", ""),
            ("QA123456A", "the prefix is QA, must be one that is given", ""),
            ("UA123456A", "the prefix is UA, must be one that is given", ""),
            ("VA123456A", "the prefix is VA, must be one that is given", ""),
            ("AD123456A", "the prefix is AD, must be one that is given", ""),
            ("AF123456A", "the prefix is AF, must be one that is given", ""),
            ("AI123456A", "the prefix is AI, must be one that is given", ""),
            ("AQ123456A", "the prefix is AQ, must be one that is given", ""),
            ("AU123456A", "the prefix is AU, must be one that is given", ""),
            ("AV123456A", "the prefix is AV, must be one that is given", ""),
            ("AO123456A", "the prefix is AO, must be one that is given", ""),
            ("DO123456A", "the prefix is DO, must be one that is given", ""),
            // Prefixes that are not issued.
            ("BG123456A", "the prefix is BG, must be one that is given", ""),
            ("GB123456A", "the prefix is GB, must be one that is given", ""),
            ("KN123456A", "the prefix is KN, must be one that is given", ""),
            ("NK123456A", "the prefix is NK, must be one that is given", ""),
            ("NT123456A", "the prefix is NT, must be one that is given", ""),
            ("TN123456A", "the prefix is TN, must be one that is given", ""),
            ("ZZ123456A", "the prefix is ZZ, must be one that is given", ""),
            // Prefixes of other offices. OO has a second O, so it is not issued at all.
            (
                "CR123456A",
                "the prefix is CR, must be one of a National Insurance number; this one is administrative",
                "",
            ),
            ("FY123456A", "the prefix is FY, must be one that is given", ""),
            (
                "MW123456A",
                "the prefix is MW, must be one of a National Insurance number; this one is administrative",
                "",
            ),
            (
                "NC123456A",
                "the prefix is NC, must be one of a National Insurance number; this one is administrative",
                "",
            ),
            (
                "PP123456A",
                "the prefix is PP, must be one of a National Insurance number; this one is administrative",
                "",
            ),
            (
                "PY123456A",
                "the prefix is PY, must be one of a National Insurance number; this one is administrative",
                "",
            ),
            (
                "PZ123456A",
                "the prefix is PZ, must be one of a National Insurance number; this one is administrative",
                "",
            ),
            ("OO123456A", "the prefix is OO, must be one that is given", ""),
            // Suffixes that are not issued, alone and beside a wrong prefix.
            ("PK030030E", "the suffix is E, must be A, B, C or D", ""),
            ("PK030030F", "the suffix is F, must be A, B, C or D", ""),
            ("PK030030G", "the suffix is G, must be A, B, C or D", ""),
            ("PK030030O", "the suffix is O, must be A, B, C or D", ""),
            ("PK030030P", "the suffix is P, must be A, B, C or D", ""),
            ("PK030030X", "the suffix is X, must be A, B, C or D", ""),
            ("PK030030Z", "the suffix is Z, must be A, B, C or D", ""),
            (
                "GB030030Z",
                "the prefix is GB, must be one that is given | the suffix is Z, must be A, B, C or D",
                "",
            ),
            // A temporary reference number, lengths and characters.
            ("12A34567", "has 8 characters, must have 9 characters", ""),
            ("PK030030", "has 8 characters, must have 9 characters", ""),
            ("PK030030AB", "has 10 characters, must have 9 characters", ""),
            ("", "has 0 characters, must have 9 characters", ""),
            ("P0030030A", "character 2 is '0', must be a capital letter", ""),
            ("PKO30030A", "character 3 is 'O', must be a digit", ""),
            ("PK0300301", "character 9 is '1', must be a capital letter", ""),
            ("pK030030A", "character 1 is 'p', must be a capital letter", ""),
            ("PK030030a", "character 9 is 'a', must be a capital letter", ""),
        ],
    );
}

#[test]
fn spellings_of_a_national_insurance_number() {
    spellings(
        "GB",
        "NINO",
        &[
            ("PK 03 00 30 B", "PK030030B"),
            ("pk030030b", "PK030030B"),
            ("PK-03-00-30-B", "PK030030B"),
            ("'PK030030B", "PK030030B"),
        ],
    );
}
