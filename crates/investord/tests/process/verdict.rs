//! Judges what a receiver of webhooks was sent: nothing lost, nothing out of order, nothing twice without a reason.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::receiver::Act;

/// Packages that a killed server can have sent without settling them.
const PORTION: usize = 32;
/// How long before it is killed: for 15 seconds a server holds a webhook before it has to settle, and a busy machine
/// needs a while for that.
const HELD: Duration = Duration::from_secs(30);
/// How long a receiver on a busy machine may take to see what a server had sent before it was killed.
const LAG: Duration = Duration::from_secs(5);
/// Faults that are told in full.
const TOLD: usize = 20;

/// A request, or a connection that did not come to one.
pub struct Entry {
    pub hook: usize,
    /// Since the receiver has begun.
    pub at: Duration,
    pub act: Act,
    pub body: Vec<u8>,
    /// How many are in it.
    pub events: usize,
    /// Whether the head of a good answer has gone out.
    pub accepted: bool,
}

/// All that a receiver knows.
#[derive(Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    /// From when to when a server was killed.
    pub kills: Vec<(Duration, Option<Duration>)>,
    /// Requests that nobody should have sent.
    pub strays: Vec<String>,
}

/// What the register says should have come.
pub struct Expected {
    /// Their ids.
    pub webhooks: Vec<Value>,
    /// As `GET /investord/events` lists them.
    pub events: Vec<Value>,
    /// Bytes of a package of more than one event.
    pub size: usize,
}

struct Package<'a> {
    body: &'a [u8],
    events: usize,
    /// When it was accepted last.
    accepted: Option<Duration>,
}

/// What happened at one webhook.
#[derive(Default)]
struct Story<'a> {
    packages: Vec<Package<'a>>,
    /// The package that has to come next.
    next: usize,
    /// Kills that have been a reason already: whoever takes over begins again once.
    used: HashSet<usize>,
    /// The last thing that happened, if it was a failure.
    failed: Option<Act>,
    returns: usize,
    duplicates: usize,
    /// Returns that no kill explains: a lease can have ended, which only the servers can tell.
    unexplained: Vec<String>,
    faults: Vec<String>,
}

/// Of an act: how often it was done, and how often the next thing was another attempt.
type Acts = BTreeMap<Act, (usize, usize)>;

impl Log {
    /// What can be said of it; with what was expected, whether it is right.
    pub fn judge(&self, hooks: usize, expected: Option<&Expected>) -> Value {
        let mut acts = Acts::new();
        let mut faults = self.strays.clone();
        let (mut requests, mut packages, mut delivered) = (0, 0, 0);
        let (mut returns, mut duplicates, mut unexplained) = (0, 0, Vec::new());
        let stories: Vec<Story<'_>> = (0..hooks).map(|hook| self.story(hook, &mut acts)).collect();
        for (hook, story) in stories.into_iter().enumerate() {
            requests += self.entries.iter().filter(|entry| entry.hook == hook).count();
            packages += story.packages.len();
            delivered += story.accepted().map(|package| package.events).sum::<usize>();
            (returns, duplicates) = (returns + story.returns, duplicates + story.duplicates);
            let compared = expected.map(|expected| story.compare(hook, expected)).unwrap_or_default();
            unexplained.extend(story.unexplained.iter().map(|fault| format!("webhook {hook}: {fault}")));
            let own = story.faults.into_iter().chain(compared);
            faults.extend(own.map(|fault| format!("webhook {hook}: {fault}")));
        }
        let all = Act::ALL.iter().all(|act| {
            let (done, again) = acts.get(act).copied().unwrap_or_default();
            done > 0 && (again > 0 || act.is_good())
        });
        let acts: BTreeMap<String, _> =
            acts.into_iter().map(|(act, known)| (format!("{act:?}"), known)).collect();
        let count = faults.len();
        faults.truncate(TOLD);
        json!({
            "requests": requests,
            "packages": packages,
            "delivered": delivered,
            "kills": self.kills.len(),
            "returns": returns,
            "duplicates": duplicates,
            "unexplained": unexplained,
            "acts": acts,
            "all_acts": all,
            "fault_count": count,
            "faults": faults,
        })
    }

    /// Type and user of every event that was accepted at a webhook, those first that came first, each once.
    pub fn told(&self, hook: usize) -> Value {
        let story = self.story(hook, &mut Acts::new());
        story.delivered().iter().map(|event| json!([event["type"], event["object"]["id"]])).collect()
    }

    fn story(&self, hook: usize, acts: &mut Acts) -> Story<'_> {
        let mut story = Story::default();
        for entry in self.entries.iter().filter(|entry| entry.hook == hook) {
            if let Some(failed) = story.failed.take() {
                acts.entry(failed).or_default().1 += 1;
            }
            acts.entry(entry.act).or_default().0 += 1;
            story.failed = Some(entry.act).filter(|act| !act.is_good());
            if entry.act != Act::BadTls {
                story.takes(entry, &self.kills);
            }
        }
        story
    }
}

impl<'a> Story<'a> {
    fn takes(&mut self, entry: &'a Entry, kills: &[(Duration, Option<Duration>)]) {
        let known = self.packages.iter().rposition(|package| package.body == entry.body);
        let number = known.unwrap_or(self.packages.len());
        match number.cmp(&self.next) {
            Ordering::Equal => {}
            Ordering::Less => self.returned(number, entry.at, kills),
            Ordering::Greater => self.faults.push(format!(
                "{:?}: package {number}, new: {}, when {} was to come",
                entry.at,
                known.is_none(),
                self.next
            )),
        }
        if known.is_none() {
            self.packages.push(Package { body: &entry.body, events: entry.events, accepted: None });
        }
        self.next = number;
        if entry.accepted {
            let package = &mut self.packages[number];
            self.duplicates += usize::from(package.accepted.is_some());
            (package.accepted, self.next) = (Some(entry.at), number + 1);
        }
    }

    /// Takes note that somebody begins again with a package that was accepted: its server was killed before it could
    /// settle that, or has outlasted its lease.
    fn returned(&mut self, number: usize, now: Duration, kills: &[(Duration, Option<Duration>)]) {
        self.returns += 1;
        let accepted = self.packages[number].accepted.unwrap_or_default();
        let reason = kills.iter().enumerate().find(|(kill, (from, to))| {
            let dead = to.is_none_or(|to| accepted <= to + LAG);
            !self.used.contains(kill) && dead && *from <= now && from.saturating_sub(accepted) <= HELD
        });
        match reason {
            Some((kill, _)) if self.next - number <= PORTION => drop(self.used.insert(kill)),
            _ => {
                let near = kills
                    .iter()
                    .filter(|(from, _)| (accepted.saturating_sub(LAG)..=now).contains(from))
                    .count();
                self.unexplained.push(format!(
                    "{now:?}: package {number}, accepted {accepted:?}, came again when {} was to come; \
                     {near} kills about then",
                    self.next
                ));
            }
        }
    }

    fn accepted(&self) -> impl Iterator<Item = &Package<'a>> {
        self.packages.iter().filter(|package| package.accepted.is_some())
    }

    /// The events of accepted packages, each package once.
    fn delivered(&self) -> Vec<Value> {
        self.accepted().flat_map(|package| events(package.body)).collect()
    }

    /// Faults that show when it is known what should have come.
    fn compare(&self, hook: usize, expected: &Expected) -> Vec<String> {
        let mut faults = Vec::new();
        for (number, package) in self.packages.iter().enumerate() {
            let (events, bytes) = (package.events, package.body.len());
            if events == 0 || events > 1 && bytes > expected.size {
                faults.push(format!("package {number}: {events} events, {bytes} bytes"));
            }
        }
        let delivered = self.delivered();
        if delivered.len() != expected.events.len() {
            faults.push(format!("{} events instead of {}", delivered.len(), expected.events.len()));
        }
        let differs = delivered.iter().zip(&expected.events).find(|(told, event)| {
            let same = ["id", "created_at", "type", "object"].iter().all(|name| told[name] == event[name]);
            !same || told["webhook_id"] != expected.webhooks[hook]
        });
        faults
            .extend(differs.map(|(told, event)| format!("{} instead of {}", told["id"], event["position"])));
        faults
    }
}

/// The events of a body.
pub fn events(body: &[u8]) -> Vec<Value> {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    match body["payload"].take() {
        Value::Array(events) => events,
        _ => Vec::new(),
    }
}
