use super::*;
use std::fs;
use std::time::UNIX_EPOCH;

const PACE: Pace = Pace { settle: Duration::from_secs(3), at_most_every: Duration::from_secs(60) };

/// A root with the directories that matter, and a watch on it whose minutes are short.
struct Bench {
    root: tempfile::TempDir,
    watch: Watch,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("root");
        for directory in ["etc/sudoers.d", "etc/ssh", "root/.ssh", "home/ada", "home/bob"] {
            fs::create_dir_all(root.path().join(directory)).expect("made");
        }
        let passwd = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n\
                      bin:x:2:2::/bin:/usr/sbin/nologin\nodd:x:3:3::/../etc:/bin/sh\n";
        fs::write(root.path().join("etc/passwd"), passwd).expect("written");
        let kinds = ["accounts", "sudo", "ssh_server", "authorized_keys"].map(str::to_owned);
        let clock = Clock::fast(UNIX_EPOCH, 600);
        let watch = Watch::start(root.path(), &kinds, PACE, clock);
        Self { root, watch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str) {
        fs::write(self.path(name), name).expect("written");
    }

    /// The kinds of the next check-in that a change causes.
    async fn told(&mut self) -> Vec<&'static str> {
        let told = async {
            loop {
                match self.watch.due_at() {
                    Some(due_at) => tokio::select! {
                        () = sleep_until(due_at) => {}
                        () = self.watch.noted() => {}
                    },
                    None => self.watch.noted().await,
                }
                let kinds = self.watch.take();
                if !kinds.is_empty() {
                    return kinds.into_iter().collect();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), told).await.expect("a change is told")
    }
}

#[tokio::test]
async fn each_file_that_matters_makes_its_own_kind_due_and_its_neighbours_make_none() {
    for (name, kind) in [
        ("etc/passwd", "accounts"),
        ("etc/group", "accounts"),
        ("etc/shadow", "accounts"),
        ("etc/gshadow", "accounts"),
        ("etc/sudoers", "sudo"),
        ("etc/sudoers.d/ops", "sudo"),
        ("etc/ssh/sshd_config", "ssh_server"),
        ("root/.ssh/authorized_keys", "authorized_keys"),
    ] {
        let mut bench = Bench::new();
        for near in ["etc/hosts", "etc/passwd.lock", "etc/ssh/ssh_config", "root/.ssh/known_hosts"]
        {
            bench.write(near);
        }
        bench.write(name);
        assert_eq!(bench.told().await, [kind], "{name}");
    }
}

#[tokio::test]
async fn a_file_put_in_the_place_of_another_is_seen_every_time() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.write("etc/shadow+");
        fs::rename(bench.path("etc/shadow+"), bench.path("etc/shadow")).expect("renamed");
        assert_eq!(bench.told().await, ["accounts"]);
    }
    fs::remove_file(bench.path("etc/shadow")).expect("removed");
    assert_eq!(bench.told().await, ["accounts"]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(bench.path("etc/passwd"), mode).expect("mode");
    assert_eq!(bench.told().await, ["accounts"]);
}

#[tokio::test]
async fn a_directory_that_comes_or_is_replaced_is_watched_anew() {
    let mut bench = Bench::new();
    fs::rename(bench.path("etc/sudoers.d"), bench.path("etc/sudoers.old")).expect("moved away");
    fs::create_dir(bench.path("etc/sudoers.d")).expect("made");
    assert_eq!(bench.told().await, ["sudo"]);
    bench.write("etc/sudoers.d/new");
    assert_eq!(bench.told().await, ["sudo"], "in the new directory");

    fs::create_dir(bench.path("etc/ssh/sshd_config.d")).expect("made");
    assert_eq!(bench.told().await, ["ssh_server"]);
    bench.write("etc/ssh/sshd_config.d/10-local.conf");
    assert_eq!(bench.told().await, ["ssh_server"]);

    fs::create_dir(bench.path("home/ada/.ssh")).expect("made");
    assert_eq!(bench.told().await, ["authorized_keys"]);
    bench.write("etc/sudoers.old/ops");
    bench.write("home/ada/.ssh/authorized_keys");
    assert_eq!(bench.told().await, ["authorized_keys"], "the old directory means nothing");
}

#[tokio::test]
async fn the_home_of_a_new_account_is_watched_too() {
    let mut bench = Bench::new();
    let mut passwd = fs::read_to_string(bench.path("etc/passwd")).expect("read");
    passwd.push_str("bob:x:1001:1001::/home/bob:/bin/sh\n");
    fs::write(bench.path("etc/passwd"), passwd).expect("written");
    assert_eq!(bench.told().await, ["accounts"]);
    fs::create_dir(bench.path("home/bob/.ssh")).expect("made");
    bench.write("home/bob/.ssh/authorized_keys");
    assert_eq!(bench.told().await, ["authorized_keys"]);
}

#[tokio::test]
async fn a_file_that_changes_all_the_time_is_told_once_a_minute_and_not_never() {
    let mut bench = Bench::new();
    let path = bench.path("etc/passwd");
    let changing = tokio::spawn(async move {
        loop {
            fs::write(&path, "x").expect("written");
            tokio::task::yield_now().await;
        }
    });
    let mut moments = Vec::new();
    for _ in 0..5 {
        assert_eq!(bench.told().await, ["accounts"]);
        moments.push(bench.watch.changed.told.expect("told"));
    }
    changing.abort();
    let minute = bench.watch.clock.real(PACE.at_most_every);
    assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= minute), "{moments:?}");
}

#[tokio::test]
async fn changes_close_together_are_told_together_and_a_failed_check_in_loses_none() {
    let mut bench = Bench::new();
    bench.write("etc/passwd");
    bench.write("etc/sudoers");
    let kinds = bench.told().await;
    assert_eq!(kinds, ["accounts", "sudo"]);
    assert!(bench.watch.due_at().is_none());
    bench.watch.put_back(kinds.into_iter().collect());
    assert_eq!(bench.told().await, ["accounts", "sudo"]);
}

#[tokio::test]
async fn where_nothing_can_be_watched_nothing_is_due() {
    let root = tempfile::tempdir().expect("root");
    let clock = Clock::fast(UNIX_EPOCH, 600);
    let kinds = ["accounts".to_owned()];
    let missing = root.path().join("missing");
    for watch in [Watch::start(&missing, &kinds, PACE, clock.clone()), Watch::nothing(clock)] {
        assert!(watch.directories.is_empty());
        assert!(watch.due_at().is_none());
    }
}
