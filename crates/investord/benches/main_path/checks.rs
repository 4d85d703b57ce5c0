//! What one signature check costs, measured again and again during the run: the speed of a machine wavers.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use http_message_signatures::{Algorithm, PublicKey};
use investord::domain::signatures::SignatureVersion;

use crate::cpu;
use crate::report::{Report, middle};
use crate::requests::Ask;
use crate::world::{KEYS, World};

pub struct Checks {
    kinds: Vec<Of>,
    /// How long one measurement lasts.
    enough: Duration,
}

struct Of {
    kind: Algorithm,
    key: PublicKey,
    /// Texts under a signature, and the signatures.
    signed: Vec<(String, Vec<u8>)>,
    /// Microseconds of CPU on one thread, and the most of any thread when every core is at it.
    alone: Vec<f64>,
    together: Vec<f64>,
}

impl Checks {
    pub fn new(world: &World, quick: bool) -> anyhow::Result<Self> {
        let user = "5f1ae4ee-3e3a-4f0e-8f5f-1d0d1a2b3c4d";
        let kind = |kind| -> anyhow::Result<Of> {
            let sender = world.signed(([127, 0, 0, 1], 8080).into(), kind, "a token of some usual length")?;
            let signed: anyhow::Result<_> =
                (0..16).map(|_| sender.base_and_signature(&Ask::Read(user))).collect();
            let key = world.key(kind)?.pair.public_key().clone();
            Ok(Of { kind, key, signed: signed?, alone: Vec::new(), together: Vec::new() })
        };
        let kinds = KEYS.into_iter().map(kind).collect::<anyhow::Result<_>>()?;
        Ok(Self { kinds, enough: Duration::from_millis(if quick { 15 } else { 60 }) })
    }

    /// Microseconds of CPU that one check takes now: on one thread when one connection leaves a core to
    /// itself, else while every core is at it.
    pub fn measure(&mut self, kind: Algorithm, connections: usize) -> anyhow::Result<f64> {
        let of_kind = self.kinds.iter_mut().find(|own| own.kind == kind).context("no key of this kind")?;
        let (key, signed, enough) = (&of_kind.key, &of_kind.signed, self.enough);
        let one = || -> anyhow::Result<f64> {
            let profile = SignatureVersion::Draft15.profile();
            let (before, started, mut checks) = (cpu::own()?, Instant::now(), 0_u32);
            while started.elapsed() < enough {
                for (base, signature) in signed {
                    key.verify(black_box(base.as_bytes()), black_box(signature), profile)?;
                    checks += 1;
                }
            }
            let used = cpu::own()?.saturating_sub(before);
            Ok(used.as_secs_f64() * 1e6 / f64::from(checks))
        };
        if connections == 1 {
            let alone = one()?;
            of_kind.alone.push(alone);
            return Ok(alone);
        }
        let cores = std::thread::available_parallelism()?.get();
        let together = std::thread::scope(|scope| -> anyhow::Result<f64> {
            let running: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
            let mut most = 0.0_f64;
            for thread in running {
                most = most.max(thread.join().ok().context("a checking thread panicked")??);
            }
            Ok(most)
        })?;
        of_kind.together.push(together);
        Ok(together)
    }

    pub fn tell(self, report: &mut Report) {
        report.section("One signature check");
        for Of { kind, alone, together, .. } in self.kinds {
            let name = kind.name();
            for (how, values) in [("one thread", alone), ("all cores busy", together)] {
                if !values.is_empty() {
                    report.fact(&format!("one {name} check, {how}, median"), middle(values), "µs");
                }
            }
        }
    }
}
