//! Fixtures written to disk, as roots that an agent reads.

use evidenced_agent::host::{FileKind, Fixture, Host, Meta};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use rustix::io::Errno;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Files, directories and links with their modes; all belong to whoever runs this. What the fixture
/// refuses has mode 0.
pub fn write(fixture: &Fixture, root: &Path) {
    let under = |path: &str| root.join(path.trim_start_matches('/'));
    let host = Host::fixture(fixture.clone());
    let paths = fixture.paths();
    for path in &paths {
        let kind = host.stat(path).map_or(FileKind::File, |meta| meta.kind);
        if kind == FileKind::Directory {
            fs::create_dir_all(under(path)).expect("directory");
            continue;
        }
        fs::create_dir_all(under(path).parent().expect("a parent")).expect("directories");
        if kind == FileKind::Other {
            mknodat(CWD, under(path), FileType::Fifo, Mode::RUSR, 0).expect("FIFO");
        } else {
            let contents = fixture.contents(path).unwrap_or_default();
            fs::write(under(path), contents).expect("file");
        }
    }
    for (path, target) in fixture.all_links() {
        fs::create_dir_all(under(path).parent().expect("a parent")).expect("directories");
        symlink(target, under(path)).expect("link");
    }
    // Those below first: nothing can be changed below a directory that is closed.
    for path in paths.iter().rev() {
        let mode = match (host.stat(path), fixture.contents(path), host.list(path)) {
            (Ok(meta), Some(_), _) => meta.mode | 0o400,
            (Ok(meta), None, Ok(_)) => meta.mode | 0o700,
            _ => 0,
        };
        fs::set_permissions(under(path), Permissions::from_mode(mode)).expect("mode");
    }
}

/// Attributes that a section of a fixture may have.
const ATTRIBUTES: [&str; 2] = ["system.posix_acl_access", "security.capability"];

/// What only root can give to what was written: owners, groups, modes and attributes as they are; and
/// times. False where the kernel refuses an attribute, for it is none.
pub fn give(fixture: &Fixture, root: &Path) -> bool {
    let host = Host::fixture(fixture.clone());
    let mut takes_all = true;
    for path in fixture.paths().iter().rev() {
        let Ok(Meta { kind, mode, uid, gid, modified_s, .. }) = host.stat(path) else { continue };
        let at = root.join(path.trim_start_matches('/'));
        chown(&at, Some(uid), Some(gid)).expect("owner");
        fs::set_permissions(&at, Permissions::from_mode(mode)).expect("mode");
        if kind == FileKind::File {
            let seconds = Duration::from_secs(u64::try_from(modified_s).unwrap_or_default());
            File::open(&at).and_then(|f| f.set_modified(UNIX_EPOCH + seconds)).expect("time");
        }
        for name in ATTRIBUTES {
            let Ok(Some(value)) = host.attribute(path, name) else { continue };
            match setxattr(&at, name, &value, XattrFlags::empty()) {
                Err(Errno::INVAL) => takes_all = false,
                other => other.expect("attribute"),
            }
        }
    }
    takes_all
}

/// Opens what is closed, so that the directory can be removed.
pub fn open(fixture: &Fixture, root: &Path) {
    for path in fixture.paths() {
        let at = root.join(path.trim_start_matches('/'));
        fs::set_permissions(at, Permissions::from_mode(0o700)).expect("mode");
    }
}
