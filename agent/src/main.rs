//! The agent's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The one provider of cryptography, before anything speaks TLS. Fails only if there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    evidenced_agent::cli::main()
}
