//! What the figures are held against.

use http_message_signatures::Algorithm;

use crate::peers::PRISM;
use crate::same_work::SAME_WORK;
use crate::works::{Row, Work};

/// What the tables compare neighbours at.
const CONNECTIONS: usize = 64;
pub const WORKS: [Work; 5] = [Work::Token, Work::Read, Work::ListStart, Work::ListEnd, Work::Create];
/// Names of the contestants that are Investord begin so.
pub const OWN: &str = "Investord on ";

#[derive(Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub fn verdict(self, value: f64) -> String {
        let (sign, bound, met) = match self {
            Self::AtMost(bound) => ('≤', bound, value <= bound),
            Self::AtLeast(bound) => ('≥', bound, value >= bound),
        };
        format!("{sign} {bound} {}", if met { "met" } else { "missed" })
    }
}

/// Microseconds of CPU beyond the check that are aimed at, on SQLite.
pub fn beyond_check(row: &Row) -> Option<Bound> {
    match row.work {
        _ if row.key.is_none() || row.contestant != format!("{OWN}SQLite") => None,
        Work::Read => Some(Bound::AtMost(35.0)),
        Work::Identifiers => Some(Bound::AtMost(45.0)),
        Work::Identify => Some(Bound::AtMost(100.0)),
        Work::Create => Some(Bound::AtMost(120.0)),
        Work::ListStart | Work::ListMiddle | Work::ListEnd => Some(Bound::AtMost(150.0)),
        Work::Token => None,
    }
}

pub struct Aim {
    pub name: String,
    pub value: f64,
    pub bound: Bound,
}

/// The aims that rows are held against together.
pub fn of(rows: &[Row], bulk: &[Row]) -> Vec<Aim> {
    let mut aims = lists(rows);
    aims.extend(lists(bulk));
    let mut neighbour = |contestant: &str, work, least| {
        let own = figure(rows, &format!("{OWN}{contestant}"), Some(Algorithm::Ed25519), work);
        if let (Some(own), Some((name, best))) = (own, best_neighbour(rows, work)) {
            let users = rows.first().map_or(0, |row| row.users);
            let name =
                format!("{}, {contestant}, Ed25519, to {name}, unsigned: requests/s", work.name(users));
            aims.push(Aim { name, value: own / best, bound: Bound::AtLeast(least) });
        }
    };
    neighbour("SQLite", Work::Create, 1.5);
    neighbour("SQLite", Work::ListStart, 5.0);
    neighbour("SQLite", Work::ListEnd, 5.0);
    for work in WORKS {
        neighbour("PostgreSQL, 1 process", work, if work == Work::Create { 1.3 } else { 1.0 });
    }
    for (key, least) in [(Algorithm::Ed25519, 3.0), (Algorithm::P521, 1.5)] {
        for contestant in ["SQLite", "PostgreSQL, 1 process"] {
            let of = |name: &str| figure(rows, name, Some(key), Work::Create);
            if let (Some(own), Some(other)) = (of(&format!("{OWN}{contestant}")), of(SAME_WORK)) {
                let name = format!("create, {contestant}, {}, to {SAME_WORK}: requests/s", key.name());
                aims.push(Aim { name, value: own / other, bound: Bound::AtLeast(least) });
            }
        }
    }
    aims
}

type Figure = fn(&Row) -> f64;

/// Lists at the end against lists at the start: the CPU of service and database together, and the median of the
/// time; means over keys and connections.
fn lists(rows: &[Row]) -> Vec<Aim> {
    let mut contestants: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.contestant.starts_with(OWN)) {
        if !contestants.contains(&row.contestant.as_str()) {
            contestants.push(&row.contestant);
        }
    }
    let mut aims = Vec::new();
    for contestant in contestants {
        let mean = |work: Work, figure: Figure| {
            let of = rows.iter().filter(|row| row.contestant == contestant && row.work == work).map(figure);
            let of: Vec<f64> = of.collect();
            let count = u32::try_from(of.len()).ok().filter(|count| *count > 0)?;
            Some(of.iter().sum::<f64>() / f64::from(count))
        };
        for (what, figure) in [("CPU", Row::whole_us as Figure), ("p50", Row::p50_ms)] {
            if let (Some(start), Some(end)) = (mean(Work::ListStart, figure), mean(Work::ListEnd, figure)) {
                let users = rows.first().map_or(0, |row| row.users);
                let engine = contestant.trim_start_matches(OWN);
                let name = format!("{} to list 100 at 0, {engine}: {what}", Work::ListEnd.name(users));
                aims.push(Aim { name, value: end / start, bound: Bound::AtMost(1.2) });
            }
        }
    }
    aims
}

/// Requests per second under load.
pub fn figure(rows: &[Row], contestant: &str, key: Option<Algorithm>, work: Work) -> Option<f64> {
    let wanted = |row: &&Row| {
        (row.contestant.as_str(), row.key, row.work, row.connections) == (contestant, key, work, CONNECTIONS)
    };
    rows.iter().find(wanted).map(Row::per_second)
}

/// The neighbour with the most requests per second, and how many. What Prism lists is the document's example, not
/// a hundred users.
pub fn best_neighbour(rows: &[Row], work: Work) -> Option<(&str, f64)> {
    let list = matches!(work, Work::ListStart | Work::ListEnd);
    let wanted = |row: &&Row| {
        row.key.is_none()
            && row.work == work
            && row.connections == CONNECTIONS
            && !(list && row.contestant == PRISM)
    };
    let figures = rows.iter().filter(wanted).map(|row| (row.contestant.as_str(), row.per_second()));
    figures.max_by(|(_, one), (_, other)| one.total_cmp(other))
}
