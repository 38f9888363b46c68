//! Names of the settings that `init` writes.

pub const ORGANISATION: &str = "organisation";
/// Origin of the log: the name on its checkpoints.
pub const LOG_ORIGIN: &str = "log_origin";
