//! The fuzz targets over their seeds, so that none of them rots between two runs of `.ci/fuzz`.

use std::collections::BTreeSet;
use std::path::Path;

#[path = "../../../../fuzz/fuzz_targets/create_body.rs"]
mod create_body;
#[path = "../../../../fuzz/fuzz_targets/digest_fields.rs"]
mod digest_fields;
#[path = "../../../../fuzz/fuzz_targets/identifiers.rs"]
mod identifiers;
#[path = "../../../../fuzz/fuzz_targets/operator_bodies.rs"]
mod operator_bodies;
#[path = "../../../../fuzz/fuzz_targets/public_key_jwk.rs"]
mod public_key_jwk;
#[path = "../../../../fuzz/fuzz_targets/public_key_pem.rs"]
mod public_key_pem;
#[path = "../../../../fuzz/fuzz_targets/queries.rs"]
mod queries;
#[path = "../../../../fuzz/fuzz_targets/signature_fields.rs"]
mod signature_fields;

/// A name, and what runs on each input.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 8] = [
    ("create_body", create_body::run),
    ("digest_fields", digest_fields::run),
    ("identifiers", identifiers::run),
    ("operator_bodies", operator_bodies::run),
    ("public_key_jwk", public_key_jwk::run),
    ("public_key_pem", public_key_pem::run),
    ("queries", queries::run),
    ("signature_fields", signature_fields::run),
];

#[test]
fn every_fuzz_target_passes_over_its_seeds() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let files =
        |folder: &str| std::fs::read_dir(fuzz.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let written = files("fuzz_targets").map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    assert_eq!(written.collect::<BTreeSet<_>>(), TARGETS.map(|(name, _)| name.to_owned()).into());
    for (name, run) in TARGETS {
        let seeds: Vec<_> = files(&format!("seeds/{name}")).collect();
        assert!(!seeds.is_empty(), "{name}");
        for seed in seeds {
            println!("{}", seed.display());
            run(&std::fs::read(seed).unwrap());
        }
    }
}
