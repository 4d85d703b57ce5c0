//! Finland: personal identity code (henkilötunnus).

use crate::{numbers, spellings};

#[test]
fn identity_codes() {
    numbers(
        "FI",
        "HETU",
        &[
            // Every sign of the century.
            ("010250+0027", "", "1850-02-01 F"),
            ("010250-0038", "", "1950-02-01 M"),
            ("010250Y0038", "", "1950-02-01 M"),
            ("010250X0038", "", "1950-02-01 M"),
            ("010250W0038", "", "1950-02-01 M"),
            ("010250V0038", "", "1950-02-01 M"),
            ("010250U0038", "", "1950-02-01 M"),
            ("010205A004N", "", "2005-02-01 F"),
            ("010205B004N", "", "2005-02-01 F"),
            ("010205C004N", "", "2005-02-01 F"),
            ("010205D004N", "", "2005-02-01 F"),
            ("010205E004N", "", "2005-02-01 F"),
            ("010205F004N", "", "2005-02-01 F"),
            // The first and last serial numbers, odd for men.
            ("190944-002X", "", "1944-09-19 F"),
            ("190944-003Y", "", "1944-09-19 M"),
            ("190944-898U", "", "1944-09-19 F"),
            ("190944-899V", "", "1944-09-19 M"),
            ("190944Y647R", "", "1944-09-19 M"),
            ("131052-308T", "", "1952-10-13 F"),
            // Leap days, and today.
            ("290200A1239", "", "2000-02-29 M"),
            ("290204A123A", "", "2004-02-29 M"),
            ("211126A1233", "", "2026-11-21 M"),
        ],
    );
}

/// The rest of a division by 31 has 31 signs; G, I, O, Q and Z are none.
#[test]
fn every_check_character() {
    numbers(
        "FI",
        "HETU",
        &[
            ("190944-1003", "", "1944-09-19 F"),
            ("190944-1014", "", "1944-09-19 M"),
            ("190944-1025", "", "1944-09-19 F"),
            ("190944-1036", "", "1944-09-19 M"),
            ("190944-1047", "", "1944-09-19 F"),
            ("190944-1058", "", "1944-09-19 M"),
            ("190944-1069", "", "1944-09-19 F"),
            ("190944-107A", "", "1944-09-19 M"),
            ("190944-108B", "", "1944-09-19 F"),
            ("190944-109C", "", "1944-09-19 M"),
            ("190944-110D", "", "1944-09-19 F"),
            ("190944-111E", "", "1944-09-19 M"),
            ("190944-112F", "", "1944-09-19 F"),
            ("190944-113H", "", "1944-09-19 M"),
            ("190944-114J", "", "1944-09-19 F"),
            ("190944-115K", "", "1944-09-19 M"),
            ("190944-116L", "", "1944-09-19 F"),
            ("190944-117M", "", "1944-09-19 M"),
            ("190944-118N", "", "1944-09-19 F"),
            ("190944-119P", "", "1944-09-19 M"),
            ("190944-120R", "", "1944-09-19 F"),
            ("190944-121S", "", "1944-09-19 M"),
            ("190944-122T", "", "1944-09-19 F"),
            ("190944-123U", "", "1944-09-19 M"),
            ("190944-124V", "", "1944-09-19 F"),
            ("190944-125W", "", "1944-09-19 M"),
            ("190944-126X", "", "1944-09-19 F"),
            ("190944-127Y", "", "1944-09-19 M"),
            ("190944-1280", "", "1944-09-19 F"),
            ("190944-1291", "", "1944-09-19 M"),
            ("190944-1302", "", "1944-09-19 F"),
        ],
    );
}

#[test]
fn wrong_identity_codes() {
    numbers(
        "FI",
        "HETU",
        &[
            ("131052-308U", "check digit is U, must be T", "1952-10-13 F"),
            ("131052-3080", "check digit is 0, must be T", "1952-10-13 F"),
            ("131025-308T", "check digit is T, must be U", "1925-10-13 F"),
            // Serial numbers; from 900 they are temporary.
            ("190944-000V", "the serial number is 000, must be 002 to 899", "1944-09-19 F"),
            ("190944-001W", "the serial number is 001, must be 002 to 899", "1944-09-19 M"),
            ("190944-900W", "the serial number is 900, must be 002 to 899", "1944-09-19 F"),
            ("190944-9993", "the serial number is 999, must be 002 to 899", "1944-09-19 M"),
            // Signs that are none.
            ("190944G647R", "the sign of the century is G, must be one of + - Y X W V U A B C D E F", ""),
            ("190944T647R", "the sign of the century is T, must be one of + - Y X W V U A B C D E F", ""),
            ("190944Z647R", "the sign of the century is Z, must be one of + - Y X W V U A B C D E F", ""),
            ("190944a647R", "the sign of the century is a, must be one of + - Y X W V U A B C D E F", ""),
            ("1909440647R", "the sign of the century is 0, must be one of + - Y X W V U A B C D E F", ""),
            ("190944/647R", "the sign of the century is /, must be one of + - Y X W V U A B C D E F", ""),
            ("190944 647R", "the sign of the century is  , must be one of + - Y X W V U A B C D E F", ""),
            // Dates.
            ("290200-1239", "there is no birth date of day 29, month 02, year 1900", ""),
            ("310444-123J", "there is no birth date of day 31, month 04, year 1944", ""),
            ("000944-123K", "there is no birth date of day 00, month 09, year 1944", ""),
            ("190044-123K", "there is no birth date of day 19, month 00, year 1944", ""),
            ("191344-1232", "there is no birth date of day 19, month 13, year 1944", ""),
            ("221126A123R", "its date is in the future, in 2026", ""),
            ("010130F1235", "its date is in the future, in 2030", ""),
            // Lengths and characters.
            ("131052308T", "has 10 characters, must have 11 characters", ""),
            ("13101952-308T", "has 13 characters, must have 11 characters", ""),
            ("", "has 0 characters, must have 11 characters", ""),
            ("131052-308G", "character 11 is 'G', must be a digit or a capital letter but G, I, O, Q, Z", ""),
            ("131052-308t", "character 11 is 't', must be a digit or a capital letter but G, I, O, Q, Z", ""),
            ("131O52-308T", "character 4 is 'O', must be a digit", ""),
            ("131052-3O8T", "character 9 is 'O', must be a digit", ""),
        ],
    );
}

/// Two codes may differ in nothing but the sign, so a dash stays; every kind of dash is the same.
#[test]
fn the_sign_stays() {
    spellings(
        "FI",
        "HETU",
        &[
            ("131052-308t", "131052-308T"),
            ("131052\u{2013}308T", "131052-308T"),
            ("131052\u{2212}308T", "131052-308T"),
            (" 131052 - 308T", "131052-308T"),
            ("190944y647r", "190944Y647R"),
            ("131052+308T", "131052+308T"),
            ("131052 308T", "131052308T"),
        ],
    );
}
