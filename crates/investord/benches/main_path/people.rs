//! Persons to be taken into a register.

/// The person of the API reference's example under varied names.
pub fn person(number: usize) -> String {
    const FIRST: [&str; 16] = [
        "Karl", "Anna Maria", "Jürgen", "Zoë", "Friedrich", "Ingrid", "Björn", "Hannelore", "Paul", "Sophie",
        "Günther", "Mia", "Leon", "Charlotte", "Emil", "Käthe",
    ];
    const LAST: [&str; 16] = [
        "Schmidt", "Müller", "von der Heide", "Weiß", "Schneider", "Fischer", "Meyer-Landrut", "Wagner",
        "Becker", "Schulz", "Hoffmann", "Schäfer", "Koch", "Bauer", "Richter", "Klein",
    ];
    let (first, last) = (FIRST[number % 16], LAST[number / 16 % 16]);
    let (year, month, day) = (1940 + number % 60, 1 + number / 60 % 12, 1 + number / 720 % 28);
    let (house, post) = (1 + number % 200, 10_115 + number % 4_000);
    let address = format!(
        r#"{{"address_line1":"Unter den Linden {house}","address_line2":"{floor}. Etage","postcode":"{post}",{city}}}"#,
        floor = 1 + number % 6,
        city = r#""city":"Berlin","country":"DE""#
    );
    let birth = format!(
        r#""birth_date":"{year}-{month:02}-{day:02}","birth_city":"Berlin","birth_country":"DE","birth_name":"{last}""#
    );
    let contact = format!(
        r#""email":"person{number}@example.com","phone_number":"49{phone:09}""#,
        phone = 301_000_000 + number
    );
    format!(
        r#"{{"first_name":"{first}","last_name":"{last}","salutation":"SALUTATION_MALE","title":"DR",{birth},{rest}}}"#,
        rest = format_args!(
            r#""nationalities":["DE","AU"],"address":{address},"postal_address":{address},{contact}"#
        )
    )
}
