//! Explains why a user is not active.

use jiff::Timestamp;

use super::history::last_action;
use crate::app::App;
use crate::domain::delivery::event::EventType;
use crate::domain::identification::identifier::today;
use crate::domain::users::obstacle::{Obstacle, Offboarding};
use crate::domain::users::{User, UserStatus};
use crate::problem::Problem;
use crate::store::jobs::{Job, JobKind};
use crate::store::log::events;
use crate::store::tenants::Tenant;
use crate::store::users::activation;
use crate::store::users::handle::UserHandle;
use crate::store::{StoreError, Tx, jobs};

/// The explanation of a user's status for operators.
pub struct StatusExplanation {
    /// Time at which the user entered the status.
    pub since: Timestamp,
    /// All obstacles to the status `ACTIVE`; empty for an active user.
    pub obstacles: Vec<Obstacle>,
    /// The queued jobs of the user.
    pub pending: Vec<Job>,
}

/// Determines the obstacles and the queued jobs of a user.
///
/// # Errors
///
/// Fails if the database cannot be read or a value cannot be decrypted.
pub fn explain_status(
    tx: &Tx<'_>,
    app: &App,
    tenant: &Tenant,
    handle: &UserHandle,
    user: &User,
) -> Result<StatusExplanation, Problem> {
    let pending = jobs::of_user(tx, handle)?;
    let job = |kind: JobKind| pending.iter().find(|job| job.kind == kind);
    let obstacles = match user.status {
        UserStatus::Active => Vec::new(),
        UserStatus::Inactive => {
            let mut obstacles = Vec::new();
            match (job(JobKind::Activation), user.suspended) {
                (Some(job), _) => obstacles.push(Obstacle::ActivationDelayed { until: job.due }),
                (None, true) => {
                    let by = last_action(tx, handle, "deactivate")?;
                    obstacles.push(Obstacle::Deactivated { by });
                }
                (None, false) => {}
            }
            let (settings, today) = (&tenant.settings, today(app.clock.now()));
            obstacles.extend(activation::unmet(tx, handle, user, None, settings, today)?);
            obstacles
        }
        UserStatus::Offboarding => {
            let open = activation::open_matters(tx, handle)?;
            let (held, due) = job(JobKind::Offboarding).map_or((false, None), |job| (job.held, job.due));
            let held_by = if held { last_action(tx, handle, "hold_offboarding")? } else { None };
            let not_before = due.filter(|due| *due > app.clock.now());
            vec![Obstacle::Offboarding(Offboarding { not_before, held, held_by, open })]
        }
        UserStatus::Offboarded => vec![Obstacle::Offboarded],
    };
    Ok(StatusExplanation { since: since(tx, handle, user)?, obstacles, pending })
}

/// Returns the time of the last change of the status.
fn since(tx: &Tx<'_>, handle: &UserHandle, user: &User) -> Result<Timestamp, StoreError> {
    let moves = [
        EventType::UserCreated,
        EventType::UserActivated,
        EventType::UserDeactivated,
        EventType::UserOffboardingInitiated,
        EventType::UserOffboarded,
    ];
    let mut since = user.created_at;
    events::each_of_user(tx, handle, |event| {
        if moves.iter().any(|kind| kind.into_str() == event.kind) {
            since = event.created_at;
        }
        Ok(())
    })?;
    Ok(since)
}
