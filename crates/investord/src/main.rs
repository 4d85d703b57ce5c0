use std::process::ExitCode;

fn main() -> ExitCode {
    investord::cli::main()
}
