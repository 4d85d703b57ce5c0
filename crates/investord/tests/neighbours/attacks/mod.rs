//! The attacks: what each does, what it has to hear, and where the neighbour is meanwhile.

mod connections;
mod http2;
mod operators;
mod pour;
mod requests;
mod webhooks;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::attacker::Stage;
use crate::neighbour::Place;

/// Something that somebody does so that others are hurt, or does not care whether they are.
pub struct Attack {
    pub name: &'static str,
    /// Runs in the attacker's process, until the attack is over.
    pub run: fn(Arc<Stage>) -> BoxFuture<'static, ()>,
    /// What has to become of so many of its requests at least: statuses, or what the attack calls it.
    pub hears: &'static [(&'static str, u64)],
    /// The same for limits of so many a second, which a busy machine does not come to: asserted in long runs only.
    pub hears_when_fast: &'static [(&'static str, u64)],
    /// What must become of none.
    pub never: &'static [&'static str],
    pub beside: Place,
}

/// An attack of which every request is answered, whatever the answer is.
const ANSWERED: Attack = Attack {
    name: "",
    run: |_| Box::pin(async {}),
    hears: &[],
    hears_when_fast: &[],
    never: &["closed", "not connected"],
    beside: Place::Apart,
};

/// An attack that the server may cut off without a word.
const CUT_OFF: Attack = Attack { never: &[], ..ANSWERED };

/// Builds an entry of the table from the name of an asynchronous function.
macro_rules! attack {
    ($name:literal, $run:path, $base:expr $(, $member:ident: $value:expr)*) => {
        Attack { name: $name, run: |stage| Box::pin($run(stage)), $($member: $value,)* ..$base }
    };
}

/// Every attack, by the names that the table of a run and `docs/development.md` show.
#[rustfmt::skip]
pub fn all() -> Vec<Attack> {
    let refused: &[(&str, u64)] = &[("429", 1)];
    let strangers: &[(&str, u64)] = &[("401", 1), ("429", 1)];
    vec![
        attack!("1,100 silent connections", connections::silent, CUT_OFF, hears_when_fast: &[("503", 76)]),
        attack!("silent connections of operators", connections::silent_operators, CUT_OFF, hears: &[("cut", 16)]),
        attack!("slow heads", connections::slow_heads, CUT_OFF),
        attack!("slow bodies", connections::slow_bodies, CUT_OFF),
        attack!("bodies in chunks of one byte", connections::tiny_chunks, CUT_OFF),
        attack!("slow readers", connections::slow_readers, CUT_OFF),
        attack!("300 large lists, not read", requests::unread_lists, CUT_OFF, hears: refused),
        attack!("pipelined requests, not read", connections::pipelined, CUT_OFF),
        attack!("connections opened and reset", connections::churn, CUT_OFF),
        attack!("heads that are too long", connections::long_heads, ANSWERED, hears: &[("400", 1)]),
        attack!("HTTP/2: 256 open streams", http2::open_streams, CUT_OFF),
        attack!("HTTP/2: 256 lists, not read", http2::unread_streams, CUT_OFF),
        attack!("HTTP/2: lists read by single bytes", http2::dribble, CUT_OFF),
        attack!("HTTP/2: rapid reset", http2::rapid_reset, CUT_OFF),
        attack!("HTTP/2: endless heads", http2::continuation, CUT_OFF, hears: &[("cut", 1)]),
        attack!("HTTP/2: settings", http2::settings, CUT_OFF),
        attack!("HTTP/2: pings", http2::pings, CUT_OFF),
        attack!("HTTP/2: empty data", http2::empty_data, CUT_OFF),
        attack!("HTTP/2: bodies of refused requests", http2::refused_bodies, CUT_OFF),
        attack!("far over the quota, P-521", requests::dear_key, ANSWERED, hears_when_fast: refused),
        attack!(
            "nonsense tokens, same proxy",
            requests::nonsense_tokens,
            ANSWERED,
            hears_when_fast: strangers,
            beside: Place::BehindProxy
        ),
        attack!("false signatures", requests::false_signatures, ANSWERED, hears_when_fast: strangers),
        attack!("tokens, asked for", requests::tokens, ANSWERED, hears_when_fast: strangers),
        attack!("what anybody may ask for", requests::strangers, ANSWERED, hears: &[("200", 1), ("404", 1)]),
        attack!("thousands of checks of one user", requests::checks, ANSWERED, hears: refused),
        attack!("data changes of one user", requests::data_changes, ANSWERED, hears_when_fast: refused),
        attack!("accounts of one user", requests::accounts, ANSWERED),
        attack!("bodies as long as may be", requests::long_bodies, CUT_OFF),
        attack!("intricate bodies", requests::intricate_bodies, ANSWERED, hears: &[("400", 1)]),
        attack!("one idempotency key", requests::replayed_key, ANSWERED),
        attack!("the same bytes again", requests::replayed_bytes, ANSWERED, hears: &[("401", 1)]),
        attack!("GET /auth/verify_keys", requests::verify_keys, ANSWERED),
        attack!("dry runs of reports", requests::dry_runs, ANSWERED),
        attack!("exports of all events", requests::exports, ANSWERED),
        attack!("deep offsets", requests::deep_offsets, ANSWERED),
        attack!("creations", requests::creations, ANSWERED),
        attack!("offboardings", requests::offboardings, ANSWERED),
        attack!("audits", requests::audits, CUT_OFF, hears: &[("verified", 1)], never: &["failed"]),
        attack!("webhooks on names nobody resolves", webhooks::unresolved, ANSWERED, hears: refused),
        attack!("tests of a disabled webhook", webhooks::disabled, ANSWERED, hears: refused),
        attack!("receivers that answer after 9.9 s", webhooks::late, ANSWERED, hears: refused),
        attack!("receivers without an end", webhooks::endless, ANSWERED),
        attack!("99 idle webhooks, 60 long polls", webhooks::long_polls, ANSWERED),
        attack!("webhooks made and changed", webhooks::storm, ANSWERED),
        attack!("guessed passwords", operators::guesses, ANSWERED, hears: strangers),
        attack!(
            "passwords guessed from 100 addresses",
            operators::guesses_from_everywhere,
            ANSWERED,
            hears: strangers
        ),
        attack!("webhooks mended without an end", operators::mending, ANSWERED, hears: &[("200", 1)]),
        attack!("searches by another operator", operators::searches, ANSWERED),
    ]
}
