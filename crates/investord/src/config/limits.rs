//! `[limits]`: budgets of what requests share.

use std::ops::RangeInclusive;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Maximum number of operator passwords that are hashed at the same time: each takes 19 MiB and a core.
pub const PASSWORDS: usize = 2;

/// The table `[limits]`. Each process counts on its own; `docs/limits.md` lists the responses beyond each limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open connections of clients.
    pub connections: usize,
    /// Open connections of clients from one address (of IPv6: one /64).
    pub connections_per_address: usize,
    /// Open connections of operators.
    pub operator_connections: usize,
    /// Open connections of operators from one address.
    pub operator_connections_per_address: usize,
    /// Seconds in which a new connection has to send its first request.
    pub first_request_seconds: u64,
    /// Seconds for which a client may read nothing of a response before the connection is closed.
    pub unread_seconds: u64,
    /// Seconds in which a request has to be answered, the transfer of its body included.
    pub answer_seconds: u64,
    /// Requests in progress.
    pub requests: usize,
    /// Requests in progress of one tenant.
    pub requests_per_tenant: usize,
    /// Token requests in progress from one address, because their client is known only from the body.
    pub token_requests_per_address: usize,
    /// MiB of request bodies in transfer.
    pub received_mib: usize,
    /// MiB of request bodies in transfer of one tenant.
    pub received_mib_per_tenant: usize,
    /// MiB of responses that have not been sent yet.
    pub unsent_mib: usize,
    /// MiB of responses to one tenant that have not been sent yet.
    pub unsent_mib_per_tenant: usize,
    /// Lists and reports that read the store at the same time; others wait.
    pub scans: usize,
    /// Lists and reports of one tenant that read the store at the same time.
    pub scans_per_tenant: usize,
    /// Webhooks with a delivery in progress; others wait.
    pub deliveries: usize,
    /// Webhooks of one tenant with a delivery in progress.
    pub deliveries_per_tenant: usize,
    /// Test events in flight to receivers.
    pub test_calls: usize,
    /// Test events of one tenant in flight to receivers.
    pub test_calls_per_tenant: usize,
    /// Users of one tenant, offboarded ones included, because they stay readable (decision U10).
    pub users_per_tenant: usize,
    /// MiB that the requests of one tenant may store in 24 hours: four times each body, and 1 KiB.
    pub written_mib_per_day: u32,
    /// Undecided checks of one user.
    pub open_checks_per_user: usize,
    /// Undecided data changes of one user.
    pub open_data_changes_per_user: usize,
    /// Accounts and account groups of one user, closed ones included.
    pub accounts_per_user: usize,
    /// Passwords of operators that wait to be verified.
    pub sign_ins: usize,
    /// Passwords of operators from one address that wait to be verified.
    pub sign_ins_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 1024,
            operator_connections: 256,
            operator_connections_per_address: 64,
            first_request_seconds: 10,
            unread_seconds: 15,
            answer_seconds: 90,
            requests: 2048,
            requests_per_tenant: 512,
            token_requests_per_address: 128,
            received_mib: 64,
            received_mib_per_tenant: 16,
            unsent_mib: 96,
            unsent_mib_per_tenant: 32,
            scans: 6,
            scans_per_tenant: 3,
            deliveries: 256,
            deliveries_per_tenant: 32,
            test_calls: 64,
            test_calls_per_tenant: 8,
            users_per_tenant: 10_000_000,
            written_mib_per_day: 32_768,
            open_checks_per_user: 100,
            open_data_changes_per_user: 100,
            accounts_per_user: 200,
            sign_ins: 64,
            sign_ins_per_address: 16,
        }
    }
}

impl Limits {
    /// Checks the range of every limit. A limit of 0 would refuse everything.
    ///
    /// # Errors
    ///
    /// Fails with the first limit that is out of its range.
    pub fn check(&self) -> anyhow::Result<()> {
        let counts = [
            ("connections", self.connections),
            ("connections_per_address", self.connections_per_address),
            ("operator_connections", self.operator_connections),
            ("operator_connections_per_address", self.operator_connections_per_address),
            ("requests", self.requests),
            ("requests_per_tenant", self.requests_per_tenant),
            ("token_requests_per_address", self.token_requests_per_address),
            ("received_mib", self.received_mib),
            ("received_mib_per_tenant", self.received_mib_per_tenant),
            ("unsent_mib", self.unsent_mib),
            ("unsent_mib_per_tenant", self.unsent_mib_per_tenant),
            ("scans", self.scans),
            ("scans_per_tenant", self.scans_per_tenant),
            ("deliveries", self.deliveries),
            ("deliveries_per_tenant", self.deliveries_per_tenant),
            ("test_calls", self.test_calls),
            ("test_calls_per_tenant", self.test_calls_per_tenant),
            ("open_checks_per_user", self.open_checks_per_user),
            ("open_data_changes_per_user", self.open_data_changes_per_user),
            ("accounts_per_user", self.accounts_per_user),
            ("sign_ins", self.sign_ins),
            ("sign_ins_per_address", self.sign_ins_per_address),
        ];
        let others = [
            ("users_per_tenant", u64::try_from(self.users_per_tenant)?, 1..=1_000_000_000),
            // The minimum has room for the largest body (1 MiB counts as 4 MiB and 1 KiB), and the maximum fits the
            // counter in KiB.
            ("written_mib_per_day", self.written_mib_per_day.into(), 8..=1_000_000),
            ("first_request_seconds", self.first_request_seconds, 1..=3600),
            ("unread_seconds", self.unread_seconds, 1..=3600),
            ("answer_seconds", self.answer_seconds, 1..=3600),
        ];
        for (key, value, range) in others {
            check_range(key, value, &range)?;
        }
        for (key, value) in counts {
            check_range(key, u64::try_from(value)?, &(1..=1_000_000))?;
        }
        Ok(())
    }
}

/// Checks that a limit lies within a range.
fn check_range(key: &str, value: u64, range: &RangeInclusive<u64>) -> anyhow::Result<()> {
    let (min, max) = (range.start(), range.end());
    ensure!(range.contains(&value), "limits.{key} must be between {min} and {max}, is {value}");
    Ok(())
}
