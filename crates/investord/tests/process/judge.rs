//! What the database holds, past the server, and whether it is whole: the same for every engine.
#![allow(dead_code, reason = "not every test program uses all of it")]

use std::collections::HashMap;
use std::path::Path;

use investord::domain::delivery::event::{ChainHash, Event, StoredObject};
use jiff::Timestamp;
use rusqlite::OpenFlags;
use rusqlite::types::ValueRef;
use testing::home::Register;
use testing::patience::PATIENCE;
use testing::postgres;
use uuid::Uuid;

/// Columns as text, bytes in hexadecimal; NULL is `None`.
pub type Row = Vec<Option<String>>;

/// The answers to several questions from one snapshot, one after the other.
pub fn ask(register: &Register, questions: &[&str]) -> Vec<Row> {
    match register {
        Register::File(file) => ask_file(file, questions).unwrap(),
        Register::Server(url) => {
            let questions = questions.join("; ");
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            postgres::sql(url, &format!("{begin}; {questions}; COMMIT"))
        }
    }
}

fn ask_file(file: &Path, questions: &[&str]) -> rusqlite::Result<Vec<Row>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = rusqlite::Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let snapshot = connection.transaction()?;
    let mut found = Vec::new();
    for question in questions {
        let mut statement = snapshot.prepare(question)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            found.push((0..columns).map(|at| row.get_ref(at).map(text)).collect::<Result<_, _>>()?);
        }
    }
    Ok(found)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Text(value) => Some(String::from_utf8_lossy(value).into_owned()),
        ValueRef::Blob(value) => {
            let digit = |half: u8| char::from_digit(half.into(), 16).unwrap();
            Some(value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
        }
    }
}

/// The only number that a question gives.
pub fn count(register: &Register, question: &str) -> i64 {
    match &ask(register, &[question])[..] {
        [row] if row.len() == 1 => int(row[0].as_deref().unwrap()),
        rows => panic!("{question}: {rows:?}"),
    }
}

fn int(text: &str) -> i64 {
    text.parse().unwrap()
}

fn id(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    let text = text.strip_prefix("\\x").unwrap_or(text);
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Dense numbers, every user with its events, its reply and its CONCAT and nothing without a user, an unbroken chain.
/// The number of users.
pub fn check_database(register: &Register) -> usize {
    if let Register::File(file) = register {
        assert_eq!(ask_file(file, &["PRAGMA integrity_check"]).unwrap(), [[Some("ok".to_owned())]]);
    }
    let rows = ask(
        register,
        &[
            "SELECT 'head', users, events, chain_hash FROM tenant_sequences WHERE tenant = 1",
            "SELECT 'user', number, id, status FROM users WHERE tenant = 1 ORDER BY number",
            "SELECT 'event', number, id, created_at, type, subject, chain_hash,
                    CASE WHEN same_as IS NULL THEN 'sealed' ELSE 'same' END, coalesce(same_as, 0),
                    coalesce(sealed, chain_hash)
             FROM events WHERE tenant = 1 ORDER BY number",
            "SELECT 'reply', user_number FROM idempotent_responses WHERE tenant = 1",
            "SELECT 'identifier', user_number FROM identifiers WHERE tenant = 1",
        ],
    );
    let mut tables: HashMap<&str, Vec<Vec<&str>>> = HashMap::new();
    for row in &rows {
        let row: Vec<&str> = row.iter().map(|column| column.as_deref().unwrap()).collect();
        tables.entry(row[0]).or_default().push(row[1..].to_vec());
    }
    let mut table = |name| tables.remove(name).unwrap_or_default();
    let (heads, users) = (table("head"), table("user"));
    let [head] = &heads[..] else { panic!("{} heads", heads.len()) };
    assert_eq!(int(head[0]), i64::try_from(users.len()).unwrap(), "the head counts the users");
    check_users(&users, &table("event"), (int(head[1]), &bytes(head[2])));

    let count = |rows: Vec<Vec<&str>>| {
        let mut counts: HashMap<i64, usize> = HashMap::new();
        for row in rows {
            *counts.entry(int(row[0])).or_default() += 1;
        }
        counts
    };
    let replies = count(table("reply"));
    assert_eq!(replies.len(), users.len(), "a reply for every user and no other");
    assert!(users.iter().all(|user| replies.get(&int(user[0])) == Some(&1)));
    let active = users.iter().filter(|user| user[2] == "ACTIVE").map(|user| (int(user[0]), 1));
    assert_eq!(count(table("identifier")), active.collect(), "a CONCAT for every user who is active by it");
    users.len()
}

/// `head`: how many events there are to be, and the end of the chain.
fn check_users(users: &[Vec<&str>], events: &[Vec<&str>], head: (i64, &[u8])) {
    let mut expected: HashMap<Uuid, Vec<&str>> = HashMap::new();
    for (user, number) in users.iter().zip(1..) {
        assert_eq!(int(user[0]), number, "users are numbered without gaps");
        let events = match user[2] {
            "ACTIVE" => vec!["USER.CREATED", "USER.ACTIVATED"],
            _ => vec!["USER.CREATED"],
        };
        expected.insert(id(user[1]), events);
    }
    let mut found: HashMap<Uuid, Vec<&str>> = HashMap::new();
    let mut last = ChainHash::default();
    for (row, number) in events.iter().zip(1..) {
        assert_eq!(int(row[0]), number, "events are numbered without gaps");
        let (kind, subject, sealed) = (row[3], id(row[4]), bytes(row[8]));
        let object = match row[6] {
            "same" => StoredObject::SameAs(int(row[7])),
            _ => StoredObject::Sealed(&sealed),
        };
        let created_at = Timestamp::from_microsecond(int(row[2])).unwrap();
        let event = Event { number, id: id(row[1]), created_at, kind, subject, object };
        last = event.next_chain_hash(&last);
        assert_eq!(bytes(row[5]), last, "the chain breaks at event {number}");
        // What a client has done to a webhook is on record, too.
        if kind != "CLIENT.ACTION" {
            found.entry(subject).or_default().push(kind);
        }
    }
    let count = i64::try_from(events.len()).unwrap();
    assert_eq!((count, &last[..]), head, "the head is the end of the chain");
    assert_eq!(found, expected, "every user has its events");
}
