//! Each attack in turn: a quiet time, the attack, and the time after it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use testing::patience::{amount, long};
use testing::postgres;
use testing::program::run;

use crate::attacker::{Attacker, Counts};
use crate::attacks::{self, Attack};
use crate::neighbour::{KINDS, Neighbour, Times};
use crate::scene::Scene;
use crate::watch::{Watch, descriptors, until_quiet};

/// Chooses attacks whose names contain it.
const CHOICE: &str = "INVESTORD_TEST_ATTACK";
/// Chooses a part of the attacks: `3/10` selects the 3rd, 13th, 23rd and so on, so that ten runs try each attack once.
const PART: &str = "INVESTORD_TEST_ATTACK_PART";
/// What the server may take, in MiB.
const MAX_MEMORY: u64 = 200;
/// Connections of the attacker's address and of operators, and everything that the server opens by itself: receivers
/// that are sent to, files, connections to the database.
const MAX_DESCRIPTORS: usize = 1024 + 64 + 256 + 64 + 100;
/// How many times as long as in a quiet time a request may take.
const SLOWER: u32 = 2;
/// What is never too long for a median and for the slowest of a hundred: a process that waits for its turn on one of
/// two cores waits so long.
const FLOORS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(50)];
/// The quantiles that are compared, in thousandths.
const QUANTILES: [usize; 2] = [500, 990];
/// How soon everything is as before.
const BACK: Duration = Duration::from_secs(5);

/// What an attack has led to.
struct Row {
    name: &'static str,
    /// By kind of request and quantile.
    quiet: Times,
    during: Times,
    memory: u64,
    descriptors: usize,
    back: Option<Duration>,
    /// All of it, with what the attacker needs to begin and to end.
    took: Duration,
    counts: Counts,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hurts_a_neighbour() {
    if postgres::is_chosen() && postgres::shared().is_none() {
        return;
    }
    let scene = Scene::new().await;
    tokio::task::block_in_place(|| attack_all(&scene));
}

fn attack_all(scene: &Scene) {
    let mut neighbour = Neighbour::new(scene);
    let before = descriptors(scene.server.pid());
    let mut quiet = neighbour.measure(amount(12, 100));
    let (mut table, mut faults) = (heading(), neighbour.faults());
    println!("{table}");
    for attack in &chosen_attacks() {
        if long() {
            quiet = neighbour.measure(100);
        }
        let row = tried(scene, &mut neighbour, attack, quiet.clone());
        faults.extend(row.faults(attack).into_iter().chain(neighbour.faults()).map(|fault| {
            println!("FAULT {}: {fault}", attack.name);
            format!("{}: {fault}", attack.name)
        }));
        let line = row.to_string();
        println!("{line}");
        writeln!(table, "{line}").unwrap();
        if long() {
            until_quiet(&scene.server, before);
        }
    }
    until_quiet(&scene.server, before);
    tokio::runtime::Handle::current().block_on(neighbour.compare());
    let verified = run(&mut scene.home.command(&["audit", "verify", "--json"])).json();
    assert_eq!(verified["chain"], "whole");
    println!("{table}");
    assert!(faults.is_empty(), "{faults:#?}");
}

fn chosen_attacks() -> Vec<Attack> {
    let name = std::env::var(CHOICE).unwrap_or_default();
    let part = std::env::var(PART).unwrap_or_else(|_| "1/1".to_owned());
    let (first, step) = part.split_once('/').expect("a part as 3/10");
    let [first, step] = [first, step].map(|number| number.parse::<usize>().expect("a part as 3/10"));
    let all = attacks::all().into_iter().skip((first - 1) % step).step_by(step);
    all.filter(|attack| attack.name.contains(&name)).collect()
}

fn tried(scene: &Scene, neighbour: &mut Neighbour, attack: &Attack, quiet: Times) -> Row {
    let (watch, began) = (Watch::begin(scene.server.pid()), Instant::now());
    neighbour.moves_to(attack.beside);
    let attacker = Attacker::start(scene, attack);
    let during = neighbour.measure(amount(4, 100));
    let counts = attacker.stop();
    let back = back_to_normal(neighbour, &quiet);
    let (descriptors, memory) = watch.end();
    Row { name: attack.name, quiet, during, memory, descriptors, back, took: began.elapsed(), counts }
}

/// How long it takes until each kind of request is answered as in a quiet time. In a usual run one look is taken:
/// nobody is held to a time there.
fn back_to_normal(neighbour: &mut Neighbour, quiet: &Times) -> Option<Duration> {
    let began = Instant::now();
    loop {
        let after = neighbour.measure(amount(1, 3));
        let is_normal = (0..KINDS.len()).all(|kind| !is_slower(quiet, &after, kind, 0));
        if is_normal {
            return Some(began.elapsed());
        }
        if !long() || began.elapsed() > 4 * BACK {
            return None;
        }
    }
}

fn is_slower(quiet: &Times, other: &Times, kind: usize, which: usize) -> bool {
    let [quiet, other] = [quiet, other].map(|times| times.quantile(kind, QUANTILES[which]));
    other > (SLOWER * quiet).max(FLOORS[which])
}

impl Row {
    /// What must not be, whatever the machine; and, in a long run, what takes too long.
    fn faults(&self, attack: &Attack) -> Vec<String> {
        let mut faults = Vec::new();
        if long() && self.memory > MAX_MEMORY {
            faults.push(format!("{} MiB of memory", self.memory));
        }
        if self.descriptors > MAX_DESCRIPTORS {
            faults.push(format!("{} descriptors", self.descriptors));
        }
        let heard = |what: &str| self.counts.get(what).copied().unwrap_or(0);
        let when_fast = if long() { attack.hears_when_fast } else { &[] };
        for (what, least) in attack.hears.iter().chain(when_fast) {
            if heard(what) < *least {
                faults
                    .push(format!("{} of its requests became {what}, at least {least} have to", heard(what)));
            }
        }
        for what in attack.never {
            if heard(what) > 0 {
                faults.push(format!("{} of its requests became {what}", heard(what)));
            }
        }
        if !long() {
            return faults;
        }
        for (kind, name) in KINDS.iter().enumerate() {
            for which in
                (0..QUANTILES.len()).filter(|which| is_slower(&self.quiet, &self.during, kind, *which))
            {
                let [quiet, during] =
                    [&self.quiet, &self.during].map(|times| times.quantile(kind, QUANTILES[which]));
                faults.push(format!("{name} takes {during:.1?} instead of {quiet:.1?}"));
            }
        }
        if self.back.is_none_or(|back| back > BACK) {
            faults.push(format!("is back to normal after {:?}", self.back));
        }
        faults
    }
}

fn heading() -> String {
    let kinds: String = KINDS.map(|kind| format!("{kind:>13}")).concat();
    format!(
        "How many times as long each kind of request takes (median, slowest of a hundred), memory, descriptors, \
         back to normal, seconds in all, answers\n{:<36}{kinds}{:>6}{:>6}{:>7}{:>7}\n",
        "attack", "MiB", "fd", "back", "took"
    )
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<36}", self.name)?;
        for kind in 0..KINDS.len() {
            let ratio = |quantile| {
                let [quiet, during] =
                    [&self.quiet, &self.during].map(|times| times.quantile(kind, quantile).as_secs_f64());
                during / quiet.max(f64::EPSILON)
            };
            write!(f, "{:>13}", format!("{:.1} {:.1}", ratio(QUANTILES[0]), ratio(QUANTILES[1])))?;
        }
        let back = self.back.map_or("-".to_owned(), |back| format!("{:.1}s", back.as_secs_f64()));
        let counts: Vec<String> = self.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        write!(f, "{:>6}{:>6}{back:>7}", self.memory, self.descriptors)?;
        write!(f, "{:>6.1}s  {}", self.took.as_secs_f64(), counts.join(", "))
    }
}
