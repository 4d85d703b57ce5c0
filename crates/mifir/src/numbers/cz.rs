//! Czech Republic and Slovakia: birth number (rodné číslo), `YYMMDD SSS C`, or without `C` for births before 1954.
//!
//! For women 50 is added to the month; since 2004, when all numbers of a day are used, 20 more (Czech law 53/2004; not
//! confirmed for Slovakia). Ten digits are divisible by 11. Where the first nine leave 10, `C` is 0; such numbers were
//! issued mostly until 1985 and are accepted without a limit. Nine digits have no check, so the stated birth date must
//! be before 1954: a number of ten digits without its leading zero would pass otherwise.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Sex};
use crate::value_reader::{ValueReader, number, pair};

/// Checks a birth number of nine or ten digits.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let nine = r.value.chars().count() == 9;
    let d: [u8; 10] = if nine {
        let mut ten = [0; 10];
        ten[..9].copy_from_slice(&r.digits::<9>("9 or 10 digits")?);
        ten
    } else {
        let d = r.digits::<10>("9 or 10 digits")?;
        r.check(9, CheckSymbols::digit(number::<u32>(&d[..9]) % 11 % 10));
        d
    };
    if nine && r.stated.is_some_and(|stated| stated.year() >= 1954) {
        r.hard(FaultKind::OldLength { found: 9, before: 1954 });
    }
    let (yy, written) = (pair(&d, 0), pair(&d, 2));
    let year = u16::from(yy)
        + match (nine, yy) {
            (true, 54..=79) => {
                r.bad_part(NumberPart::Century, (0, 2), "00 to 53 or 80 to 99 in a number of nine digits");
                return None;
            }
            (true, 80..) => 1800,
            (true, _) | (false, 54..) => 1900,
            // Open: people born before 1954 who were given a number later are said to have ten digits.
            (false, _) if i16::from(yy) + 2000 > r.today.year() => {
                r.soft(FaultKind::Holder { kind: "a number of ten digits for a birth before 1954" });
                1900
            }
            (false, _) => 2000,
        };
    let (added, sex) = match written {
        0..=20 => (0, Sex::Male),
        21..=50 => (20, Sex::Male),
        51..=70 => (50, Sex::Female),
        _ => (70, Sex::Female),
    };
    if matches!(added, 20 | 70) && year < 2004 && (1..=12).contains(&(written - added)) {
        r.bad_part(NumberPart::Century, (0, 2), "04 or later where 20 is added to the month");
        return None;
    }
    if !(1..=12).contains(&(written - added)) {
        r.hard(FaultKind::Date { day: pair(&d, 4), month: written, year });
        return None;
    }
    let birth = r.date(year, written - added, pair(&d, 4))?;
    Some(EncodedFacts::of(Some(birth), Some(sex)))
}
