use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Gives memory back after a peak. The allocator of glibc keeps an arena for each thread, and what one password, list
/// or export has needed stays in every arena in which it was made.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    investord::cli::main()
}
