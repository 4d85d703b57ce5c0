//! Reports which tenants could demand strict signatures without locking a client out.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::store::tenants::clients;
use crate::store::tenants::signature_counts;
use crate::store::tenants::signature_counts::SignatureCount;
use crate::store::tools::diagnostics::{Diagnosis, DiagnosisLevel, finding};
use crate::store::{StoreError, Tx, tenants};

/// Period without a refused signature after which a tenant is considered ready: seven days.
const QUIET: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Maximum number of tenants of each kind that the diagnosis names.
const MAX_NAMED: usize = 10;

/// The conclusion from the counts of a tenant's clients.
#[derive(Debug, PartialEq)]
enum StrictnessVerdict {
    /// Strict signatures would have refused no signature within [`QUIET`].
    Ready,
    /// A client sends signatures that a strict tenant refuses.
    NotReady(String),
    /// Signatures were counted for less than [`QUIET`], or none was received within it.
    Unknown,
}

/// Diagnoses the effect of `strict_signatures` on all tenants that do not demand them (decision W21).
///
/// # Errors
///
/// Fails if the counts cannot be read.
pub fn diagnose(tx: &Tx<'_>, now: Timestamp) -> Result<Diagnosis, StoreError> {
    let (mut ready, mut not_ready, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for tenant in tenants::all(tx)?.into_iter().filter(|tenant| !tenant.settings.strict_signatures) {
        let mut counts = Vec::new();
        for client in clients::of_tenant(tx, tenant.number)? {
            counts.extend(signature_counts::of_client(tx, client.id)?.map(|count| (client.id, count)));
        }
        match verdict_of_tenant(&counts, now) {
            StrictnessVerdict::Ready => ready.push(tenant.name),
            StrictnessVerdict::NotReady(why) => not_ready.push(format!("{} ({why})", tenant.name)),
            StrictnessVerdict::Unknown => unknown.push(tenant.name),
        }
    }
    let found: Vec<String> = [
        ("could be switched on, no signature of 7 days would have been refused", ready),
        ("would lock clients out", not_ready),
        ("cannot be judged yet, which takes 7 days with requests", unknown),
    ]
    .into_iter()
    .filter(|(_, tenants)| !tenants.is_empty())
    .map(|(what, tenants)| format!("{what}: {}", list_shortened(&tenants)))
    .collect();
    let found = if found.is_empty() { "demanded by all tenants".to_owned() } else { found.join("; ") };
    Ok(finding(DiagnosisLevel::Good, "strict_signatures", found))
}

/// Decides from the counts of its clients whether a tenant is ready.
fn verdict_of_tenant(counts: &[(Uuid, SignatureCount)], now: Timestamp) -> StrictnessVerdict {
    let recent = |at: Timestamp| now.duration_since(at) < QUIET;
    let refused = counts.iter().find_map(|(client, count)| {
        let (at, reason) = count.last_refused.as_ref().filter(|(at, _)| recent(*at))?;
        Some(format!("client {client}, {at}: {reason}"))
    });
    let counted_long = counts.iter().any(|(_, count)| !recent(count.since));
    let has_asked = counts.iter().any(|(_, count)| recent(count.last_at));
    match refused {
        Some(why) => StrictnessVerdict::NotReady(why),
        None if counted_long && has_asked => StrictnessVerdict::Ready,
        None => StrictnessVerdict::Unknown,
    }
}

/// Lists the first names, and the number of the others.
fn list_shortened(names: &[String]) -> String {
    let first = names[..names.len().min(MAX_NAMED)].join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const NOW: i64 = 1_800_000_000;

    fn ago(hours: i64) -> Timestamp {
        Timestamp::from_second(NOW - hours * HOUR).unwrap()
    }

    /// Decides about clients, each given by hours: since counting began, since the last counted signature, and since
    /// the last refused one.
    fn verdict(clients: &[(i64, i64, Option<i64>)]) -> StrictnessVerdict {
        let counts: Vec<_> = clients
            .iter()
            .map(|(since, last, refused)| {
                let last_refused = refused.map(|hours| (ago(hours), "no nonce".to_owned()));
                let (since, last_at) = (ago(*since), ago(*last));
                (Uuid::nil(), SignatureCount { since, last_at, taken: 1, refused: 1, last_refused })
            })
            .collect();
        verdict_of_tenant(&counts, ago(0))
    }

    #[test]
    fn a_tenant_is_ready_after_a_week_in_which_nothing_was_refused() {
        let not_ready =
            StrictnessVerdict::NotReady(format!("client {}, {}: no nonce", Uuid::nil(), ago(167)));
        for (clients, expected) in [
            (&[][..], StrictnessVerdict::Unknown),
            (&[(167, 0, None)], StrictnessVerdict::Unknown),
            (&[(168, 0, None)], StrictnessVerdict::Ready),
            (&[(168, 168, None)], StrictnessVerdict::Unknown),
            (&[(400, 0, Some(168))], StrictnessVerdict::Ready),
            (&[(400, 0, Some(167))], not_ready),
            (&[(400, 300, None), (1, 0, None)], StrictnessVerdict::Ready),
        ] {
            assert_eq!(verdict(clients), expected, "{clients:?}");
        }
    }
}
