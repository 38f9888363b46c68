//! `evidenced-collector`: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    evidenced_collector::cli::main()
}
