//! The harness of the end-to-end tests: a collector and agents as real processes, and roots for
//! the agents to read. A test reads like the scenario:
//!
//! ```text
//! let collector = Collector::start(Store::Sqlite).await;
//! let root = Root::debian();
//! let agent = Agent::enrolled(&collector).await.root(&root);
//! agent.reports().await;
//! root.append("etc/passwd", "toor:x:0:0::/root:/bin/bash\n");
//! ```
//!
//! Everything lives in temporary directories and listens on ports the system chose. What a test
//! waits for, it polls with a deadline ([`until`]).

mod agent;
mod api;
mod collector;
mod inbox;
pub mod machine;
pub mod on_disk;
mod outsiders;
pub mod postgres;
mod program;
mod random;
mod receiver;
mod root;
mod until;

pub use agent::Agent;
pub use api::{Answer, Api, log_key};
pub use collector::{Collector, Store};
pub use inbox::Inbox;
pub use machine::{Case, Sound};
pub use outsiders::{Tsa, audit_log};
pub use program::{Ended, program, traced};
pub use random::Random;
pub use receiver::Receiver;
pub use root::Root;
pub use until::{holds, until};

/// Essential rules that a root on disk cannot answer: they read what only a running machine has, if
/// only whether it is a container, or whether anybody ever logged in. There they are unknown, never
/// pass.
pub const NEED_A_RUNNING_MACHINE: [&str; 12] = [
    "acc-dormant",
    "evd-complete",
    "log-alive",
    "log-persistent",
    "log-remote",
    "log-retention",
    "net-db-not-public",
    "net-no-cleartext",
    "sys-aslr",
    "sys-links-hard",
    "sys-links-sym",
    "time-synchronised",
];
