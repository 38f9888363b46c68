//! The kinds `file_walk` and `file_permissions` beside find(1), getcap(8), getfacl(1) and dpkg(1), over
//! a generated tree and the real roots of `tests/roots`. Needs root, and the packages findutils,
//! libcap2-bin and acl.

use evidence::kinds::{FilePermissions, FileWalk};
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

fn out(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn walked(root: &Path) -> FileWalk {
    let collector = collectors::find("file_walk").expect("kind");
    let collected = collector.collect(&Host::rooted(root).expect("root"));
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

/// Paths below `root` that find(1) prints, as the root sees them.
fn find(root: &Path, test: &[&str]) -> BTreeSet<String> {
    let root = root.to_str().expect("UTF-8");
    let args: Vec<&str> = [root].into_iter().chain(test.iter().copied()).collect();
    let lines = out("find", &args);
    let within = |line: &str| match line.strip_prefix(root).expect("below the root") {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    lines.lines().map(within).collect()
}

fn set(list: Option<Vec<String>>) -> BTreeSet<String> {
    list.expect("a list").into_iter().collect()
}

/// Every list beside its tool; how many programs there were.
fn agree(root: &Path) -> usize {
    let walk = walked(root);
    assert!(!walk.truncated && walk.cut.is_empty());
    let programs = walk.set_id.expect("programs");
    let bits = programs.iter().filter(|one| one.setuid || one.setgid);
    let bits: BTreeSet<_> = bits.map(|one| one.path.clone()).collect();
    assert_eq!(bits, find(root, &["-type", "f", "-perm", "/6000"]));
    assert_eq!(set(walk.world_writable_files), find(root, &["-type", "f", "-perm", "-0002"]));
    let open = ["-type", "d", "-perm", "-0002", "!", "-perm", "-1000"];
    assert_eq!(set(walk.world_writable_dirs_no_sticky), find(root, &open));
    let named = programs.iter().filter(|one| !one.capabilities.is_empty());
    let named: BTreeSet<_> =
        named.map(|one| format!("{} {}", one.path, one.capabilities.join(","))).collect();
    let root = root.to_str().expect("UTF-8");
    let listed = out("getcap", &["-r", root]);
    let listed: BTreeSet<_> = listed.lines().map(|line| getcap(line, root)).collect();
    assert_eq!(named, listed);
    programs.len()
}

/// `PATH cap_b,cap_a=ep`.
fn getcap(line: &str, root: &str) -> String {
    let (path, capabilities) = line.rsplit_once(' ').expect("a path");
    let end = capabilities.find(['=', '+']).expect("flags");
    let mut names: Vec<_> = capabilities[..end].split(',').collect();
    names.sort_unstable();
    format!("{} {}", path.strip_prefix(root).expect("below the root"), names.join(","))
}

fn file(root: &Path, path: &str, mode: u32) {
    let at = root.join(path);
    fs::create_dir_all(at.parent().expect("a directory")).expect("directory");
    fs::write(&at, "x").expect("written");
    fs::set_permissions(&at, Permissions::from_mode(mode)).expect("mode");
}

fn directory(root: &Path, path: &str, mode: u32) {
    fs::create_dir_all(root.join(path)).expect("directory");
    fs::set_permissions(root.join(path), Permissions::from_mode(mode)).expect("mode");
}

/// A tree with every pair of special bits and rights of others, names that are odd, and depth.
fn tree() -> tempfile::TempDir {
    let directory_ = tempfile::tempdir().expect("directory");
    let root = directory_.path();
    for special in 0..8_u32 {
        for others in [0_u32, 1, 2, 5, 6, 7] {
            let mode = special << 9 | 0o750 | others;
            file(root, &format!("srv/file {special} {others}"), mode);
            directory(root, &format!("srv/dir-{special}-{others}"), mode);
        }
    }
    file(root, &format!("{}deep", "d/".repeat(60)), 0o4755);
    symlink("/srv/file 0 7", root.join("srv/link")).expect("link");
    for (path, capabilities) in
        [("srv/file 0 5", "cap_net_raw,cap_bpf=ep"), ("srv/file 4 5", "cap_setuid=ei")]
    {
        let path = root.join(path);
        let status = Command::new("setcap").arg(capabilities).arg(path).status();
        assert!(status.expect("setcap").success());
    }
    file(root, "etc/passwd", 0o644);
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nada:x:1000:0::/:/bin/sh\n")
        .expect("written");
    fs::write(root.join("etc/group"), "root:x:0:\n").expect("written");
    directory_
}

#[test]
fn a_generated_tree_is_walked_as_find_and_getcap_walk_it() {
    let tree = tree();
    assert!(agree(tree.path()) > 20);
}

#[test]
fn files_of_nobody_are_those_that_find_sees_without_what_lies_below_them() {
    let tree = tree();
    let root = tree.path();
    for (path, uid, gid) in [
        ("srv/file 0 0", 54_321, 0),
        ("srv/file 0 1", 0, 54_321),
        ("srv/file 0 2", 1000, 0),
        ("srv/dir-0-0", 54_321, 54_321),
        ("srv/link", 0, 0),
    ] {
        std::os::unix::fs::lchown(root.join(path), Some(uid), Some(gid)).expect("chown");
    }
    file(root, "srv/dir-0-0/below", 0o644);
    chown(root.join("srv/dir-0-0/below"), Some(54_321), Some(54_321)).expect("chown");
    // find(1) asks this machine's accounts: the numbers are nobody's here either.
    let mut found = find(root, &["(", "-uid", "54321", "-o", "-gid", "54321", ")"]);
    assert!(found.remove("/srv/dir-0-0/below"));
    assert_eq!(set(walked(root).unowned), found);
    assert!(!find(root, &["-nouser"]).is_empty());
}

fn roots() -> Vec<std::path::PathBuf> {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/roots");
    let complete = |suite: &&str| roots.join(format!("{suite}.complete")).exists();
    let suites = ["bullseye", "bookworm", "trixie"].into_iter().filter(complete);
    let found: Vec<_> = suites.map(|suite| roots.join(suite)).collect();
    assert!(!found.is_empty(), "there is no .cache/roots/bookworm: run tests/roots first");
    found.into_iter().map(|root| root.canonicalize().expect("a root")).collect()
}

#[test]
fn a_real_root_is_walked_as_find_and_getcap_walk_it_and_dpkg_knows_its_programs() {
    for root in roots() {
        assert!(agree(&root) >= 10, "{}", root.display());
        for program in walked(&root).set_id.expect("programs") {
            let admin = format!("--admindir={}/var/lib/dpkg", root.display());
            // dpkg knows only the names of its lists: /bin as well as /usr/bin.
            let mut owners = BTreeSet::new();
            for name in [program.path.as_str(), program.path.trim_start_matches("/usr")] {
                let answer = out("dpkg-query", &[&admin, "-S", name]);
                let of = |line: &str| line.split(": ").next().map(str::to_owned);
                let lines = answer.lines().filter(|line| line.ends_with(&format!(": {name}")));
                owners.extend(lines.filter_map(of));
            }
            let owners: Vec<_> =
                owners.iter().map(|owner| owner.split(':').next().expect("a name")).collect();
            assert_eq!(program.package.as_deref(), owners.first().copied(), "{}", program.path);
            assert_eq!(program.packaged, Some(!owners.is_empty()));
        }
    }
}

#[test]
fn a_walk_of_another_file_system_below_a_root_is_told_from_the_kernels_own() {
    let tree = tree();
    let root = tree.path();
    for name in ["proc", "disk"] {
        fs::create_dir(root.join(name)).expect("directory");
    }
    let script = format!(
        "mount -t proc proc {0}/proc && mount -t tmpfs none {0}/disk && touch {0}/disk/su && \
         chmod 4755 {0}/disk/su && exec {1} --exact walks_as_a_child --nocapture",
        root.display(),
        std::env::current_exe().expect("this program").display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "sh", "-c", &script])
        .env("EVIDENCED_WALK", root)
        .output()
        .expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("walked /disk/su"), "{text}");
}

/// The other half of the test above: within its mounts.
#[test]
#[expect(clippy::print_stdout, reason = "the other half reads it")]
fn walks_as_a_child() {
    let Some(root) = std::env::var_os("EVIDENCED_WALK") else { return };
    let walk = walked(Path::new(&root));
    let programs = walk.set_id.expect("every directory was read, and none of /proc");
    for program in programs.iter().filter(|one| one.path == "/disk/su") {
        println!("walked {}", program.path);
    }
}

#[test]
fn access_control_lists_say_what_getfacl_says() {
    let tree = tree();
    let root = tree.path();
    fs::create_dir_all(root.join("etc/cron.d")).expect("directory");
    let specs = ["u:1000:rw", "u:1000:r", "u:1000:rw,m::r", "g:1000:rw,m::-", "g::w", "u:7:x"];
    for (index, spec) in specs.iter().enumerate() {
        file(root, &format!("etc/cron.d/job{index}"), 0o644);
        let path = root.join(format!("etc/cron.d/job{index}"));
        let status = Command::new("setfacl").args(["-m", spec]).arg(&path).status();
        assert!(status.expect("setfacl").success());
    }
    let collector = collectors::find("file_permissions").expect("kind");
    let collected = collector.collect(&Host::rooted(root).expect("root"));
    let facts: FilePermissions =
        serde_json::from_value(collected.facts.expect("facts").data).expect("typed");
    let jobs = facts.scheduled.expect("jobs");
    for (index, spec) in specs.iter().enumerate() {
        let name = format!("/etc/cron.d/job{index}");
        let job = jobs.iter().find(|job| job.path == name).expect("the job");
        let path = root.join(name.trim_start_matches('/'));
        let text = out("getfacl", &["-n", "-p", "--all-effective", path.to_str().expect("UTF-8")]);
        let rights = |prefix: &str| {
            let lines =
                text.lines().filter(|line| line.starts_with(prefix) && !line.contains("#file"));
            let of = |line: &str| match line.split_once("#effective:") {
                Some((_, rights)) => rights.to_owned(),
                None => line.rsplit(':').next().expect("rights").to_owned(),
            };
            lines
                .filter(|line| prefix.len() > 6 || !line.contains("::"))
                .map(of)
                .collect::<Vec<_>>()
        };
        let named: Vec<_> = [rights("user:"), rights("group:")].concat();
        let may = |right: char| named.iter().any(|rights| rights.contains(right));
        assert_eq!(job.has_acl, Some(!named.is_empty()), "{spec}");
        assert_eq!((job.acl_read, job.acl_write), (Some(may('r')), Some(may('w'))), "{spec}");
        let group = rights("group::").concat();
        assert_eq!((job.group_read, job.group_write), (group.contains('r'), group.contains('w')));
    }
}
