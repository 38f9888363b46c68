//! Running one program that the operator of this host listed. Kinds of this agent run none.

use super::ReadError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// A program, with everything it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// An absolute path.
    pub program: String,
    pub arguments: Vec<String>,
    /// Longest time, from start to end.
    pub timeout: Duration,
    /// Most bytes of its standard output.
    pub max_output: u64,
}

/// What a program said, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub bytes: Vec<u8>,
    /// None when a signal ended it.
    pub exit_code: Option<i32>,
}

/// Why there is no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("{0}")]
    Start(ReadError),
    /// Somebody else than root and this agent's user could replace it.
    #[error("others may write to the program")]
    Unsafe,
    #[error("not done within {0:?}")]
    Timeout(Duration),
    #[error("more than {0} bytes of output")]
    TooLong(u64),
}

impl Command {
    /// Runs it: no shell, no input, an empty environment but for `PATH` and `LANG`, its own process
    /// group, which ends with it. What it writes to standard error is thrown away.
    pub(super) fn run(&self) -> Result<Output, CommandError> {
        self.is_safe()?;
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let child = command.spawn().map_err(|error| CommandError::Start(super::io_error(error)))?;
        Running { child, until: Instant::now() + self.timeout, ended: false }.finish(self)
    }

    /// Whoever can replace the program could have this agent run anything. Its directories are the
    /// operator's affair, as with every program that root runs.
    fn is_safe(&self) -> Result<(), CommandError> {
        let start = |error: rustix::io::Errno| CommandError::Start(error.into());
        let meta = super::meta_of(&rustix::fs::stat(&self.program).map_err(start)?);
        let own = rustix::process::geteuid().as_raw();
        let trusted = meta.uid == 0 || meta.uid == own;
        match trusted && meta.mode & 0o022 == 0 {
            true => Ok(()),
            false => Err(CommandError::Unsafe),
        }
    }
}

struct Running {
    child: Child,
    until: Instant,
    ended: bool,
}

impl Running {
    fn finish(mut self, command: &Command) -> Result<Output, CommandError> {
        let timeout = CommandError::Timeout(command.timeout);
        let Some(stdout) = self.child.stdout.take() else {
            return Err(CommandError::Start(ReadError::Io(0)));
        };
        let bytes = self.read(stdout, command.max_output, timeout)?;
        // It has closed its output, and may still be there.
        let pid = Pid::from_child(&self.child);
        let ended = pidfd_open(pid, PidfdFlags::empty())
            .map_err(|errno| CommandError::Start(errno.into()))?;
        if !self.ready(&ended, PollFlags::IN)? {
            return Err(timeout);
        }
        self.end_group();
        let status = self.child.wait();
        self.ended = true;
        let status = status.map_err(|error| CommandError::Start(super::io_error(error)))?;
        Ok(Output { bytes, exit_code: status.code() })
    }

    /// What it started must not go on without it. Until it was waited for, nobody else gets its
    /// number.
    fn end_group(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    fn read(
        &self,
        mut stdout: ChildStdout,
        max: u64,
        timeout: CommandError,
    ) -> Result<Vec<u8>, CommandError> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            if !self.ready(&stdout, PollFlags::IN)? {
                return Err(timeout);
            }
            let count = stdout
                .read(&mut buffer)
                .map_err(|error| CommandError::Start(super::io_error(error)))?;
            if count == 0 {
                return Ok(bytes);
            }
            if (bytes.len() + count) as u64 > max {
                return Err(CommandError::TooLong(max));
            }
            bytes.extend_from_slice(&buffer[..count]);
        }
    }

    /// Whether there is something before the time is over.
    fn ready(&self, on: &impl rustix::fd::AsFd, flags: PollFlags) -> Result<bool, CommandError> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(on, flags)], left.as_ref()) {
                Ok(count) => return Ok(count > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(CommandError::Start(errno.into())),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.end_group();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command {
            program: "/bin/sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            timeout: Duration::from_secs(60),
            max_output: 1000,
        }
    }

    #[test]
    fn a_program_has_no_input_a_bare_environment_and_an_exit_code() {
        let script = "cat; echo $PATH $HOME; pwd; echo lost >&2; exit 3";
        let output = shell(script).run().expect("run");
        let text = String::from_utf8(output.bytes).expect("text");
        assert_eq!(text, "/usr/sbin:/usr/bin:/sbin:/bin\n/\n");
        assert_eq!(output.exit_code, Some(3));
        assert_eq!(shell("kill -9 $$").run().expect("run").exit_code, None);
    }

    #[test]
    fn what_takes_too_long_or_says_too_much_is_ended_with_all_it_started() {
        let slow =
            Command { timeout: Duration::from_millis(200), ..shell("sleep 1000 & sleep 1000") };
        assert_eq!(slow.run(), Err(CommandError::Timeout(slow.timeout)));
        // Its output is closed, and it does not end.
        let closed =
            Command { arguments: vec!["-c".into(), "exec >&-; sleep 1000".into()], ..slow };
        assert_eq!(closed.run(), Err(CommandError::Timeout(closed.timeout)));
        assert_eq!(shell("yes").run(), Err(CommandError::TooLong(1000)));
    }

    #[test]
    fn a_program_that_is_not_there_or_that_others_may_replace_is_not_run() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("check");
        let named = Command { program: path.display().to_string(), ..shell("") };
        assert_eq!(named.run(), Err(CommandError::Start(ReadError::Absent)));
        std::fs::write(&path, "#!/bin/sh\necho ok\n").expect("written");
        let mode = |mode| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        };
        mode(0o777);
        assert_eq!(named.run(), Err(CommandError::Unsafe));
        mode(0o644);
        assert_eq!(named.run(), Err(CommandError::Start(ReadError::Denied)));
        mode(0o755);
        assert_eq!(named.is_safe(), Ok(()));
    }
}
