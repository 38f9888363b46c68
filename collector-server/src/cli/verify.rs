//! `log verify`.

use super::{create, say, tell};
use crate::data::DataDir;
use crate::verify::{VerifyError, verify};
use serde_json::json;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Something in the log does not hold.
const NOT_VERIFIED: u8 = 4;

pub(super) async fn log(data: &DataDir, as_json: bool) -> anyhow::Result<ExitCode> {
    let store = create::open(data).await?;
    let watched = std::io::stderr().is_terminal();
    let progress = |read: u64, of: u64| {
        if watched {
            tell(&format!("{read} of {of} leaves"));
        }
    };
    let outcome = verify(&store, progress).await;
    store.close().await;
    match outcome {
        Ok(verified) if as_json => {
            say(&json!({
                "verified": true, "size": verified.size, "root": verified.root,
                "check_ins": verified.check_ins, "acts": verified.acts, "erased": verified.erased,
            })
            .to_string());
            Ok(ExitCode::SUCCESS)
        }
        Ok(verified) => {
            say(&format!(
                "The log holds: {} leaves ({} check-ins, {} acts), every signature and chain fits, \
                 root {}.",
                verified.size,
                verified.check_ins,
                verified.acts,
                verified.root.map(|root| root.to_string()).unwrap_or_default(),
            ));
            Ok(ExitCode::SUCCESS)
        }
        Err(VerifyError::Store(error)) => Err(error.into()),
        Err(damage) => {
            if as_json {
                say(&json!({"verified": false, "damage": damage.to_string()}).to_string());
            } else {
                say(&format!("The log does not hold: {damage}."));
            }
            Ok(ExitCode::from(NOT_VERIFIED))
        }
    }
}
