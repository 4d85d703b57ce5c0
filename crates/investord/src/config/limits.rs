//! `[limits]`: budgets of what requests share.

use anyhow::bail;
use serde::{Deserialize, Serialize};

/// Passwords of operators that are hashed at once: each takes 19 MiB and a core.
pub const PASSWORDS: usize = 2;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub connections_per_address: usize,
    pub operator_connections: usize,
    pub operator_connections_per_address: usize,
    pub first_request_seconds: u64,
    pub unread_seconds: u64,
    pub answer_seconds: u64,
    pub requests: usize,
    pub requests_per_tenant: usize,
    pub token_requests_per_address: usize,
    pub received_mib: usize,
    pub received_mib_per_tenant: usize,
    pub unsent_mib: usize,
    pub unsent_mib_per_tenant: usize,
    pub scans: usize,
    pub scans_per_tenant: usize,
    pub deliveries: usize,
    pub deliveries_per_tenant: usize,
    pub test_calls: usize,
    pub test_calls_per_tenant: usize,
    pub users_per_tenant: usize,
    pub written_mib_per_day: u32,
    pub open_checks_per_user: usize,
    pub open_data_changes_per_user: usize,
    pub accounts_per_user: usize,
    pub sign_ins: usize,
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
    /// # Errors
    ///
    /// Names a limit that nothing could pass.
    pub fn check(&self) -> anyhow::Result<()> {
        let limits = [
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
        if !(1..=1_000_000_000).contains(&self.users_per_tenant) {
            bail!("limits.users_per_tenant must be between 1 and 1000000000, is {}", self.users_per_tenant);
        }
        // Not less than the largest body takes, nor more than is counted in KiB.
        if !(8..=1_000_000).contains(&self.written_mib_per_day) {
            bail!(
                "limits.written_mib_per_day must be between 8 and 1000000, is {}",
                self.written_mib_per_day
            );
        }
        for (key, value) in limits {
            if !(1..=1_000_000).contains(&value) {
                bail!("limits.{key} must be between 1 and 1000000, is {value}");
            }
        }
        for (key, seconds) in [
            ("first_request_seconds", self.first_request_seconds),
            ("unread_seconds", self.unread_seconds),
            ("answer_seconds", self.answer_seconds),
        ] {
            if !(1..=3600).contains(&seconds) {
                bail!("limits.{key} must be between 1 and 3600, is {seconds}");
            }
        }
        Ok(())
    }
}
