//! The works of the main path, done by one service after another, round by round: what disturbs the machine
//! meets them all.

use std::rc::Rc;

use clap::ValueEnum;
use http_message_signatures::Algorithm;
use investord::clock::{Ids, SeededIds};

use crate::checks::Checks;
use crate::load;
use crate::report::middle;
use crate::requests::{Ask, Sender};
use crate::server::Service;

pub const PAGE: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    Token,
    Read,
    ListStart,
    ListMiddle,
    ListEnd,
    Create,
    Identifiers,
    Identify,
}

/// The works; those of one group alternate.
pub const MAIN_PATH: [&[Work]; 6] = [
    &[Work::Token],
    &[Work::Read],
    &[Work::ListStart, Work::ListEnd],
    &[Work::Create],
    &[Work::Identifiers],
    &[Work::Identify],
];
pub const LISTS: [&[Work]; 1] = [&[Work::ListStart, Work::ListMiddle, Work::ListEnd]];

impl Work {
    pub fn name(self, users: usize) -> String {
        match self {
            Self::Token => "token".into(),
            Self::Read => "read".into(),
            Self::Create => "create".into(),
            Self::Identifiers => "identifiers".into(),
            Self::Identify => "identify".into(),
            _ => format!("list {PAGE} at {}", self.offset(users)),
        }
    }

    fn offset(self, users: usize) -> usize {
        match self {
            Self::ListMiddle => users / 2,
            Self::ListEnd => users - PAGE,
            _ => 0,
        }
    }

    /// Requests of one round, each a second or less of work, with a light key, a heavy one, or none (then it is a
    /// neighbour).
    fn requests(self, key: Option<Algorithm>, connections: usize, quick: bool) -> usize {
        let (light, heavy, neighbour, one) = match self {
            Self::Token => (4_000, 1_500, 1_500, 500),
            Self::Read | Self::Identifiers => (8_000, 2_000, 3_000, 1_000),
            Self::ListStart | Self::ListMiddle => (2_000, 1_000, 200, 400),
            Self::ListEnd => (2_000, 1_000, 100, 400),
            Self::Create | Self::Identify => (4_000, 1_500, 1_500, 500),
        };
        let requests = match key {
            _ if connections == 1 => one,
            Some(Algorithm::Ed25519) => light,
            Some(_) => heavy,
            None => neighbour,
        };
        if quick { (requests / 10).max(connections) } else { requests }
    }
}

/// A service, loaded, and how requests to it are made.
pub struct Contestant {
    pub name: String,
    pub service: Service,
    pub senders: Vec<Sender>,
    /// The works that it knows.
    pub works: &'static [Work],
    /// Users to be read.
    pub ids: Rc<Vec<String>>,
    /// Users that have been loaded.
    pub users: usize,
}

/// What is measured, and how often.
pub struct Plan<'a> {
    pub groups: &'a [&'a [Work]],
    pub connections: &'a [usize],
    pub rounds: usize,
    pub quick: bool,
    /// These works alone; all if there is none.
    pub only: &'a [Work],
}

/// The figures of one round.
pub struct Figures {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Microseconds of CPU per request: of the service, of its database, of one signature check.
    pub service_us: f64,
    pub database_us: Option<f64>,
    pub check_us: f64,
}

/// One work by one contestant, with one kind of key or none, over a number of connections.
pub struct Row {
    pub contestant: String,
    pub key: Option<Algorithm>,
    pub work: Work,
    pub users: usize,
    pub connections: usize,
    pub rounds: Vec<Figures>,
}

impl Row {
    /// The median of a figure over the rounds.
    pub fn median(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        middle(self.rounds.iter().map(figure).collect())
    }

    pub fn per_second(&self) -> f64 {
        self.median(|round| round.per_second)
    }

    pub fn p50_ms(&self) -> f64 {
        self.median(|round| round.p50_ms)
    }

    pub fn database_us(&self) -> Option<f64> {
        let known: Option<Vec<f64>> = self.rounds.iter().map(|round| round.database_us).collect();
        known.map(middle)
    }

    /// CPU of service and database together.
    pub fn whole_us(&self) -> f64 {
        self.median(|round| round.service_us + round.database_us.unwrap_or(0.0))
    }

    pub fn beyond_us(&self) -> f64 {
        self.median(|round| round.service_us - round.check_us)
    }
}

/// Measures everything of the plan; `person` is the number of the last one that was created.
pub async fn measure(
    contestants: &[Contestant],
    plan: &Plan<'_>,
    checks: &mut Checks,
    person: &mut usize,
) -> anyhow::Result<Vec<Row>> {
    let (chance, mut all) = (SeededIds::new(1), Vec::new());
    for group in plan.groups {
        let wanted = |work: &&Work| plan.only.is_empty() || plan.only.contains(work);
        let group: Vec<Work> = group.iter().filter(wanted).copied().collect();
        for connections in plan.connections.iter().copied() {
            let mut entries = entries(contestants, &group, connections);
            for _ in 0..plan.rounds {
                for (contestant, sender, row) in &mut entries {
                    let count = row.work.requests(row.key, connections, plan.quick);
                    let asks = asks(contestant, row.work, count, &chance, person);
                    row.rounds.push(round(contestant, sender, &asks, connections, checks).await?);
                }
            }
            for (.., row) in entries {
                tell(&row);
                all.push(row);
            }
        }
    }
    Ok(all)
}

type Entry<'a> = (&'a Contestant, &'a Sender, Row);

/// Who does what, without figures yet. A neighbour is compared under load only.
fn entries<'a>(contestants: &'a [Contestant], group: &[Work], connections: usize) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for contestant in contestants {
        for sender in &contestant.senders {
            let key = sender.proof.kind();
            if connections == 1 && key.is_none() {
                continue;
            }
            for work in group.iter().copied().filter(|work| contestant.works.contains(work)) {
                let (name, users) = (contestant.name.clone(), contestant.users);
                let row = Row { contestant: name, key, work, users, connections, rounds: Vec::new() };
                entries.push((contestant, sender, row));
            }
        }
    }
    entries
}

fn asks<'a>(
    contestant: &'a Contestant,
    work: Work,
    count: usize,
    chance: &SeededIds,
    person: &mut usize,
) -> Vec<Ask<'a>> {
    let ask = |_| match work {
        Work::Token => Ask::Token,
        Work::Read => Ask::Read(&contestant.ids[pick(chance, contestant.ids.len())]),
        Work::ListStart | Work::ListMiddle | Work::ListEnd => {
            Ask::List { offset: work.offset(contestant.users) }
        }
        Work::Create => {
            *person += 1;
            Ask::Create(*person)
        }
        Work::Identifiers => Ask::Identifiers(&contestant.ids[pick(chance, contestant.ids.len())]),
        Work::Identify => {
            *person += 1;
            // Every user gets one of a country before anybody gets one of the next.
            let round = *person / contestant.ids.len();
            Ask::Identify(&contestant.ids[*person % contestant.ids.len()], round)
        }
    };
    (0..count).map(ask).collect()
}

fn pick(chance: &SeededIds, below: usize) -> usize {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % below as u64).unwrap_or(0)
}

async fn round(
    contestant: &Contestant,
    sender: &Sender,
    asks: &[Ask<'_>],
    connections: usize,
    checks: &mut Checks,
) -> anyhow::Result<Figures> {
    let prepared = sender.prepare_all(asks)?;
    let mut check = || match sender.proof.kind() {
        Some(kind) => checks.measure(kind, connections),
        None => Ok(0.0),
    };
    let before = check()?;
    let outcome = load::run(&contestant.service, prepared, connections, false).await;
    let outcome = outcome.map_err(|error| error.context(contestant.name.clone()))?;
    Ok(Figures {
        per_second: outcome.per_second(),
        p50_ms: outcome.quantile_ms(0.5),
        p99_ms: outcome.quantile_ms(0.99),
        service_us: outcome.each_us(outcome.cpu),
        database_us: outcome.database_cpu.map(|cpu| outcome.each_us(cpu)),
        check_us: f64::midpoint(before, check()?),
    })
}

/// Sends a little of every work, so that nobody is measured who has just been started.
pub async fn warm(contestants: &[Contestant], quick: bool, person: &mut usize) -> anyhow::Result<()> {
    let chance = SeededIds::new(2);
    for contestant in contestants {
        let Some(sender) = contestant.senders.last() else { continue };
        for work in contestant.works.iter().copied().filter(|work| *work != Work::ListMiddle) {
            let requests = work.requests(None, 16, quick).div_ceil(2);
            let asks = asks(contestant, work, requests, &chance, person);
            let sent = load::run(&contestant.service, sender.prepare_all(&asks)?, 16, false).await;
            sent.map_err(|error| error.context(contestant.name.clone()))?;
        }
    }
    Ok(())
}

fn tell(row: &Row) {
    eprintln!(
        "{}, {}, {}, {} connections: {:.0} requests/s, CPU {:.1} µs",
        row.contestant,
        row.work.name(row.users),
        row.key.map_or("unsigned", |key| key.name()),
        row.connections,
        row.per_second(),
        row.whole_us()
    );
}
