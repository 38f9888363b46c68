use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

fn root() -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().expect("directory");
    let host = Host::rooted(directory.path()).expect("root");
    (directory, host)
}

#[test]
fn links_stay_in_the_root() {
    let (directory, host) = root();
    let root = directory.path();
    std::fs::create_dir_all(root.join("etc")).expect("etc");
    std::fs::create_dir_all(root.join("usr/lib")).expect("usr/lib");
    std::fs::write(root.join("usr/lib/os-release"), "ID=inside\n").expect("file");
    symlink("../usr/lib/os-release", root.join("etc/relative")).expect("link");
    symlink("/usr/lib/os-release", root.join("etc/absolute")).expect("link");
    symlink("../../../../../../usr/lib/os-release", root.join("etc/climbing")).expect("link");
    symlink("/etc/hostname", root.join("etc/outside")).expect("link");
    for path in ["/etc/relative", "/etc/absolute", "/etc/climbing"] {
        let (bytes, _) = host.read(path, 100).expect(path);
        assert_eq!(bytes, b"ID=inside\n", "{path}");
    }
    assert_eq!(host.read("/etc/outside", 100), Err(ReadError::Absent));
    assert_eq!(host.link("/etc/absolute").as_deref(), Ok("/usr/lib/os-release"));
    assert_eq!(host.lstat("/etc/absolute").expect("link").kind, FileKind::Link);
    assert_eq!(host.stat("/etc/absolute").expect("file").kind, FileKind::File);
}

#[test]
fn what_is_no_file_and_what_is_too_large_is_refused_without_waiting() {
    let (directory, host) = root();
    let root = directory.path();
    std::fs::create_dir(root.join("directory")).expect("directory");
    std::fs::write(root.join("large"), vec![b'x'; 101]).expect("file");
    symlink("loop", root.join("loop")).expect("link");
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), Mode::from_raw_mode(0o644))
        .expect("fifo");
    assert_eq!(host.read("/directory", 100), Err(ReadError::WrongType));
    assert_eq!(host.read("/fifo", 100), Err(ReadError::WrongType));
    assert_eq!(host.read("/large", 100), Err(ReadError::TooLarge(100)));
    assert!(matches!(host.read("/loop", 100), Err(ReadError::Io(_))));
    assert_eq!(host.read("/large/below", 100), Err(ReadError::Absent));
    assert_eq!(host.list("/").expect("names"), ["directory", "fifo", "large", "loop"]);
    assert_eq!(host.list("/nowhere"), Err(ReadError::Absent));
}

#[test]
fn a_listed_name_that_is_no_text_cannot_be_read_and_is_not_absent() {
    use std::os::unix::ffi::OsStrExt;
    let (directory, host) = root();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    std::fs::write(directory.path().join(name), "x").expect("file");
    let names = host.list("/").expect("names");
    assert_eq!(names, ["caf\u{fffd}"]);
    let path = format!("/{}", names[0]);
    let no_text = ReadError::Io(Errno::ILSEQ.raw_os_error());
    assert_eq!(host.read(&path, 100), Err(no_text));
    assert_eq!((host.stat(&path), host.lstat(&path)), (Err(no_text), Err(no_text)));
    assert_eq!(host.link(&path), Err(no_text));
}

#[test]
fn attributes_are_those_of_the_file() {
    let (directory, host) = root();
    let path = directory.path().join("file");
    std::fs::write(&path, "four").expect("file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o2640)).expect("mode");
    let meta = host.stat("/file").expect("file");
    assert_eq!((meta.mode, meta.size_bytes), (0o2640, 4));
    assert!(meta.has(0o040) && !meta.has(0o004));
}

/// Fixtures must answer as the kernel does, or the tests on them prove nothing.
#[test]
fn a_fixture_answers_as_a_directory_tree_does() {
    let text = "\
-- /etc/plain --
text
-- /etc/absolute -> /etc/plain --
-- /etc/relative -> ./plain --
-- /etc/dangling -> nowhere --
-- /etc/loop -> loop --
-- /locked denied dir --
-- /locked/below --
-- /etc/secret denied --
";
    let host = Host::fixture(Fixture::parse(text).expect("fixture"));
    let read = |path| host.read(path, 100).map(|(bytes, _)| bytes);
    assert_eq!(read("/etc/absolute"), Ok(b"text\n".to_vec()));
    assert_eq!(read("/etc/relative"), Ok(b"text\n".to_vec()));
    assert_eq!(read("/etc/dangling"), Err(ReadError::Absent));
    assert_eq!(read("/etc/loop"), Err(ReadError::Io(40)));
    assert_eq!(read("/locked/below"), Err(ReadError::Denied));
    assert_eq!(host.list("/locked"), Err(ReadError::Denied));
    assert_eq!(read("/etc/secret"), Err(ReadError::Denied));
    assert!(host.stat("/etc/secret").is_ok());
    assert_eq!(read("/etc"), Err(ReadError::WrongType));
    assert_eq!(read("/etc/plain/below"), Err(ReadError::Absent));
}

#[test]
fn links_of_a_directory_are_shown_until_enough() {
    let (directory, host) = root();
    let root = directory.path();
    std::fs::create_dir(root.join("fd")).expect("directory");
    std::fs::write(root.join("fd/file"), "x").expect("file");
    symlink("socket:[1]", root.join("fd/3")).expect("link");
    symlink("/dev/null", root.join("fd/0")).expect("link");
    let text = "-- /fd/file --\nx\n-- /fd/3 -> socket:[1] --\n-- /fd/0 -> /dev/null --\n\
                -- /closed denied dir --\n";
    let fixture = Host::fixture(Fixture::parse(text).expect("fixture"));
    for host in [&host, &fixture] {
        let mut targets = Vec::new();
        let all = host.links("/fd", &mut |target| {
            targets.push(target.to_owned());
            true
        });
        targets.sort();
        assert_eq!((all, targets), (Ok(()), vec!["/dev/null".to_owned(), "socket:[1]".to_owned()]));
        let mut count = 0;
        let first = host.links("/fd", &mut |_| {
            count += 1;
            false
        });
        assert_eq!((first, count), (Ok(()), 1));
        assert_eq!(host.links("/nowhere", &mut |_| true), Err(ReadError::Absent));
    }
    assert_eq!(fixture.links("/closed", &mut |_| true), Err(ReadError::Denied));
}

/// Links of /proc are no paths; their text is read, and none is followed.
#[test]
fn links_of_descriptors_are_read_and_not_followed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("socket");
    let host = Host::live().expect("root");
    let number = std::os::fd::AsRawFd::as_raw_fd(&listener);
    let own = format!("/proc/{}/fd", std::process::id());
    let socket = host.link(&format!("{own}/{number}")).expect("link");
    assert!(socket.starts_with("socket:["), "{socket}");
    let mut found = false;
    let all = host.links(&own, &mut |target| {
        found |= target == socket;
        true
    });
    assert_eq!((all, found), (Ok(()), true));
}

#[test]
fn a_part_of_a_sparse_file_is_read_without_the_rest() {
    let (directory, host) = root();
    let file = std::fs::File::create(directory.path().join("sparse")).expect("file");
    file.set_len(1 << 40).expect("a hole");
    std::os::unix::fs::FileExt::write_at(&file, b"far", 1 << 39).expect("written");
    let opened = host.open_file("/sparse").expect("opened");
    assert_eq!(opened.size_bytes(), 1 << 40);
    let mut part = [7; 4];
    assert_eq!(opened.read_at((1 << 39) - 1, &mut part), Ok(4));
    assert_eq!(&part, b"\0far");
    assert_eq!(opened.read_at((1 << 40) - 2, &mut part), Ok(2), "the end comes before");
    assert_eq!(opened.read_at(1 << 41, &mut part), Ok(0));
    assert_eq!(host.open_file("/").err(), Some(ReadError::WrongType));
    assert_eq!(host.open_file("/none").err(), Some(ReadError::Absent));
}

#[test]
fn a_fixture_holds_binary_files() {
    let text = "-- /a hex --\n3: 0A ff\n0: 01\n8:\n-- /b --\n3: 0A ff\n";
    let host = Host::fixture(Fixture::parse(text).expect("fixture"));
    let (bytes, meta) = host.read("/a", 100).expect("a");
    assert_eq!((bytes.as_slice(), meta.size_bytes), (&[1, 0, 0, 10, 255, 0, 0, 0][..], 8));
    let mut part = [7; 4];
    assert_eq!(host.open_file("/a").expect("a").read_at(3, &mut part[..2]), Ok(2));
    assert_eq!(host.open_file("/a").expect("a").read_at(6, &mut part), Ok(2));
    assert_eq!(part, [0, 0, 7, 7]);
    assert_eq!(host.read("/b", 100).expect("b").0, b"3: 0A ff\n", "text where nothing says hex");
    for bad in ["0a ff", "x: 0a", "0: 0", "0: zz", "99999999999: 00"] {
        assert!(Fixture::parse(&format!("-- /a hex --\n{bad}\n")).is_err(), "{bad}");
    }
}
