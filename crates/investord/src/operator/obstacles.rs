//! Why a user is not active, as an operator reads it.

use jiff::Timestamp;

use super::history::last_action;
use crate::app::App;
use crate::domain::activation::{Obstacle, Offboarding};
use crate::domain::event::EventType;
use crate::domain::user::{Status, User};
use crate::problem::Problem;
use crate::store::seal::UserKey;
use crate::store::steps::{ACTIVATION, OFFBOARDING, Step};
use crate::store::{StoreError, Tx, activation, outbox, steps};

/// What an operator sees of a user's status.
pub struct Standing {
    /// When the user came into the status.
    pub since: Timestamp,
    /// Everything that keeps the user from being active; empty for who is.
    pub obstacles: Vec<Obstacle>,
    /// What is still to be done to the user.
    pub pending: Vec<Step>,
}

/// Finds out how a user stands.
pub fn standing(
    tx: &Tx<'_>,
    app: &App,
    tenant: &super::Tenant,
    user: &User,
    key: &UserKey,
) -> Result<Standing, Problem> {
    let pending = steps::of_user(tx, tenant.number, user.id)?;
    let step = |kind: &str| pending.iter().find(|step| step.kind == kind);
    let obstacles = match user.status {
        Status::Active => Vec::new(),
        Status::Inactive => {
            let mut obstacles = Vec::new();
            match (step(ACTIVATION), user.suspended) {
                (Some(step), _) => obstacles.push(Obstacle::ActivationDelayed { until: step.due }),
                (None, true) => {
                    let by = last_action(tx, (tenant.number, user.id), key, "deactivate")?;
                    obstacles.push(Obstacle::Deactivated { by });
                }
                (None, false) => {}
            }
            let settings = &tenant.settings;
            obstacles.extend(activation::unmet(tx, tenant.number, user, None, settings, key)?);
            obstacles
        }
        Status::Offboarding => {
            let open = activation::open_matters(tx, tenant.number, user.id, key)?;
            let (held, due) = step(OFFBOARDING).map_or((false, None), |step| (step.held, step.due));
            let held_by =
                if held { last_action(tx, (tenant.number, user.id), key, "hold_offboarding")? } else { None };
            let not_before = due.filter(|due| *due > app.clock.now());
            vec![Obstacle::Offboarding(Offboarding { not_before, held, held_by, open })]
        }
        Status::Offboarded => vec![Obstacle::Offboarded],
    };
    Ok(Standing { since: since(tx, tenant.number, user)?, obstacles, pending })
}

/// Returns when the user came into the status.
fn since(tx: &Tx<'_>, tenant: i64, user: &User) -> Result<Timestamp, StoreError> {
    let moves = [
        EventType::UserCreated,
        EventType::UserActivated,
        EventType::UserDeactivated,
        EventType::UserOffboardingInitiated,
        EventType::UserOffboarded,
    ];
    let mut since = user.created_at;
    outbox::each_of_subject(tx, tenant, user.id, |event| {
        if moves.iter().any(|kind| kind.as_str() == event.kind) {
            since = event.created_at;
        }
        Ok(())
    })?;
    Ok(since)
}
