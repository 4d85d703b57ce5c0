//! Users: natural persons in the register of a tenant, and their life cycle.
//!
//! Fields, bounds and presence rules follow the API reference pages "Users" (BYOL, TOL) in the versions of the README.

pub mod activation;
pub mod check;
pub mod data_change;
pub mod history;
pub mod identifiers;
pub mod obstacle;
pub mod person;
pub mod preview;
pub mod proof;
pub mod review;
pub mod search;
pub mod spelling;
pub mod tax_residency;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use strum::{EnumString, IntoStaticStr, VariantArray};
use uuid::Uuid;

use self::person::Person;
use super::tenants::{Requirement, TenantSettings};
use crate::domain::delivery::event::EventType;
use crate::domain::identification::identifier::{IdentifierContent, today};
use check::Check;
use obstacle::Obstacle;

/// The status of a user in the life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum UserStatus {
    Active,
    Inactive,
    Offboarding,
    Offboarded,
}

/// A user of a tenant.
#[derive(Clone)]
pub struct User {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: UserStatus,
    /// Whether an operator has deactivated the user, who then stays inactive until an operator undoes it.
    pub suspended: bool,
    pub person: Person,
}

/// A new user, with the CONCAT and the events of the registration.
pub struct Registration {
    pub user: User,
    /// The CONCAT that the register has built, if that is the first priority of the leading nationality.
    pub concat: Option<IdentifierContent>,
    pub events: Vec<EventType>,
}

/// The error for a user who is leaving or has left, from where there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserIsLeaving;

/// The evidence for the activation of a user; evidence for requirements that the tenant does not set may be absent.
#[derive(Default)]
pub struct ActivationEvidence<'a> {
    pub identifiers: Vec<&'a IdentifierContent>,
    pub checks: Vec<Check>,
    pub has_tax_residency: bool,
}

impl User {
    /// Takes a person into the register and returns the user with the events.
    ///
    /// A user whose requirements are met is active at once (decision U2). Without a further request only the identifier
    /// can be there: a CONCAT, which the register builds if Annex II of RTS 22 names it first for the leading
    /// nationality.
    pub fn register(person: Person, settings: &TenantSettings, id: Uuid, now: Timestamp) -> Registration {
        let concat = IdentifierContent::own_concat(&person.identity, settings.regime.into(), today(now));
        let (status, suspended) = (UserStatus::Inactive, false);
        let mut user = User { id, created_at: now, updated_at: now, status, suspended, person };
        let mut events = vec![EventType::UserCreated];
        let standing =
            ActivationEvidence { identifiers: concat.iter().collect(), ..ActivationEvidence::default() };
        events.extend(user.activate_if_complete(&standing, settings, now));
        Registration { user, concat, events }
    }

    /// Activates a user whose requirements are met and returns the event.
    pub fn activate_if_complete(
        &mut self,
        standing: &ActivationEvidence<'_>,
        settings: &TenantSettings,
        now: Timestamp,
    ) -> Option<EventType> {
        if !self.awaits_activation() {
            return None;
        }
        let met = self.unmet_requirements(standing, settings, today(now)).is_empty();
        met.then(|| self.set_status(UserStatus::Active, now, EventType::UserActivated))
    }

    /// Lists the requirements for activation under these settings that the user does not meet on a day.
    pub fn unmet_requirements(
        &self,
        standing: &ActivationEvidence<'_>,
        settings: &TenantSettings,
        today: Date,
    ) -> Vec<Obstacle> {
        let (person, regime) = (&self.person.identity, settings.regime.into());
        let mut unmet = Vec::new();
        for requirement in settings.activation_requires.iter() {
            match requirement {
                Requirement::Identifiers => {
                    unmet.extend(activation::unmet_identification(
                        person,
                        standing.identifiers.iter().copied(),
                        regime,
                        today,
                    ));
                }
                Requirement::Checks => unmet.extend(activation::unmet_checks(&standing.checks)),
                Requirement::TaxResidency if standing.has_tax_residency => {}
                Requirement::TaxResidency => unmet.push(Obstacle::TaxResidencyMissing),
            }
        }
        unmet
    }

    /// Returns whether the user waits for activation.
    pub fn awaits_activation(&self) -> bool {
        match self.status {
            UserStatus::Inactive => !self.suspended,
            UserStatus::Active | UserStatus::Offboarding | UserStatus::Offboarded => false,
        }
    }

    /// Returns whether the user is leaving or has left.
    pub fn is_leaving(&self) -> bool {
        match self.status {
            UserStatus::Offboarding | UserStatus::Offboarded => true,
            UserStatus::Active | UserStatus::Inactive => false,
        }
    }

    /// Takes a user out of trading until an operator undoes it, and returns the event. An inactive user stays inactive.
    /// A repetition changes nothing.
    /// # Errors
    /// Fails with [`UserIsLeaving`] if the user is leaving or has left.
    pub fn deactivate(&mut self, now: Timestamp) -> Result<Option<EventType>, UserIsLeaving> {
        match self.status {
            UserStatus::Active => {
                self.suspended = true;
                Ok(Some(self.set_status(UserStatus::Inactive, now, EventType::UserDeactivated)))
            }
            UserStatus::Inactive => {
                self.suspended = true;
                Ok(None)
            }
            UserStatus::Offboarding | UserStatus::Offboarded => Err(UserIsLeaving),
        }
    }

    /// Undoes a deactivation: the user waits for the requirements of activation, which may all be met.
    /// # Errors
    /// Fails with [`UserIsLeaving`] if the user is leaving or has left.
    pub fn reactivate(&mut self) -> Result<(), UserIsLeaving> {
        match self.status {
            UserStatus::Inactive | UserStatus::Active => {
                self.suspended = false;
                Ok(())
            }
            UserStatus::Offboarding | UserStatus::Offboarded => Err(UserIsLeaving),
        }
    }

    /// Begins to offboard a user and returns the event. A repetition changes nothing, and there is no way back.
    pub fn offboard(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            UserStatus::Inactive | UserStatus::Active => {
                Some(self.set_status(UserStatus::Offboarding, now, EventType::UserOffboardingInitiated))
            }
            UserStatus::Offboarding | UserStatus::Offboarded => None,
        }
    }

    /// Ends the offboarding of a user without open matters and returns the event.
    pub fn finish_offboarding(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            UserStatus::Offboarding => {
                Some(self.set_status(UserStatus::Offboarded, now, EventType::UserOffboarded))
            }
            UserStatus::Inactive | UserStatus::Active | UserStatus::Offboarded => None,
        }
    }

    fn set_status(&mut self, status: UserStatus, now: Timestamp, event: EventType) -> EventType {
        (self.status, self.updated_at) = (status, now);
        event
    }
}

/// A user as in a response. The members of the person are spliced in as stored, without being parsed.
pub struct UserView<'a> {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: UserStatus,
    /// [`Person::json`]: an object with at least one member.
    pub person: &'a str,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        let User { id, created_at, updated_at, status, person, .. } = user;
        Self {
            id: *id,
            created_at: *created_at,
            updated_at: *updated_at,
            status: *status,
            person: &person.json,
        }
    }
}

impl fmt::Display for UserView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, created_at, updated_at, status, person } = self;
        let members = &person[1..person.len() - 1];
        write!(f, r#"{{"id":"{id}","created_at":"{created_at}","updated_at":"{updated_at}","#)?;
        write!(f, r#"{members},"status":"{}"}}"#, status.into_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// All commands on a user.
    #[derive(Clone, Copy, Debug)]
    enum UserCommand {
        /// A decision on activation, with none or all of the required evidence.
        Judge(bool),
        Deactivate,
        Reactivate,
        Offboard,
        FinishOffboarding,
    }

    /// The result for a user: status, suspension and event.
    type Become = (UserStatus, bool, Option<EventType>);

    fn user(status: UserStatus, suspended: bool) -> User {
        let json =
            r#"{"first_name":"Anna","last_name":"Nowak","birth_date":"1980-05-17","nationalities":["PL"]}"#;
        let person = Person::from_stored(json, false).unwrap();
        let (id, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
        User { id, created_at: at, updated_at: at, status, suspended, person }
    }

    fn done(
        mut user: User,
        command: UserCommand,
        now: Timestamp,
    ) -> Result<(User, Option<EventType>), UserIsLeaving> {
        let event = match command {
            UserCommand::Judge(met) => {
                let required =
                    TenantSettings::default().with("activation_requires", json!(["tax_residency"])).unwrap();
                user.activate_if_complete(
                    &ActivationEvidence { has_tax_residency: met, ..ActivationEvidence::default() },
                    &required,
                    now,
                )
            }
            UserCommand::Deactivate => user.deactivate(now)?,
            UserCommand::Reactivate => user.reactivate().map(|()| None)?,
            UserCommand::Offboard => user.offboard(now),
            UserCommand::FinishOffboarding => user.finish_offboarding(now),
        };
        Ok((user, event))
    }

    /// Returns the expected result for each state and command, without an arm for the rest.
    fn expected(status: UserStatus, suspended: bool, command: UserCommand) -> Result<Become, UserIsLeaving> {
        use UserCommand::{Deactivate, FinishOffboarding, Judge, Offboard, Reactivate};
        use UserStatus::{Active, Inactive, Offboarded, Offboarding};
        let same = Ok((status, suspended, None));
        match (status, suspended, command) {
            (Inactive, false, Judge(true)) => Ok((Active, false, Some(EventType::UserActivated))),
            (Inactive, true, Judge(true)) | (Inactive, _, Judge(false)) => same,
            (Active | Offboarding | Offboarded, _, Judge(_)) => same,
            (Inactive, _, Deactivate) => Ok((Inactive, true, None)),
            (Active, _, Deactivate) => Ok((Inactive, true, Some(EventType::UserDeactivated))),
            (Inactive | Active, _, Reactivate) => Ok((status, false, None)),
            (Offboarding | Offboarded, _, Deactivate | Reactivate) => Err(UserIsLeaving),
            (Inactive | Active, _, Offboard) => {
                Ok((Offboarding, suspended, Some(EventType::UserOffboardingInitiated)))
            }
            (Offboarding | Offboarded, _, Offboard) => same,
            (Offboarding, _, FinishOffboarding) => {
                Ok((Offboarded, suspended, Some(EventType::UserOffboarded)))
            }
            (Inactive | Active | Offboarded, _, FinishOffboarding) => same,
        }
    }

    #[test]
    fn every_command_in_every_state() {
        use UserCommand::{Deactivate, FinishOffboarding, Judge, Offboard, Reactivate};
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let commands = [Judge(false), Judge(true), Deactivate, Reactivate, Offboard, FinishOffboarding];
        for status in UserStatus::VARIANTS.iter().copied() {
            for suspended in [false, true] {
                for command in commands {
                    let before = user(status, suspended);
                    let after = done(before.clone(), command, now);
                    let shown = after.clone().map(|(user, event)| (user.status, user.suspended, event));
                    assert_eq!(
                        shown,
                        expected(status, suspended, command),
                        "{status:?} {suspended} {command:?}"
                    );
                    let Ok((user, event)) = after else { continue };
                    // The instant moves with the status, and there is an event of it.
                    assert_eq!(user.updated_at == now, event.is_some());
                    assert_eq!(user.status == status, event.is_none());
                    assert!(user.person == before.person);
                    // A command whose effect is there already has none.
                    let again = done(user, command, now);
                    assert!(again.is_ok_and(|(_, event)| event.is_none()), "{status:?} {command:?} twice");
                }
            }
        }
    }
}
