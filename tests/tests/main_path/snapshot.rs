//! A snapshot, from the agent's check-in to what an auditor does with the archive: with tools that
//! are not ours.

use crate::view::results;
use evidenced_tests::{Agent, Collector, Ended, Root, Store, program};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A collector with a host that fails something, and its snapshots.
struct Site {
    collector: Collector,
    agent: Agent,
    directory: TempDir,
}

impl Site {
    async fn new(store: Store) -> Self {
        let collector = Collector::start(store).await;
        let root = Root::debian();
        root.append("etc/passwd", "toor:x:0:0:Toor:/root:/bin/bash\n");
        root.append("etc/shadow", "toor:$y$j9T$invented$invented:20100:0:99999:7:::\n");
        let agent = Agent::enrolled(&collector).await.root(&root);
        agent.reports().await;
        results(&collector.api(), &agent.host()).await;
        Self { collector, agent, directory: tempfile::tempdir().expect("a directory") }
    }

    async fn create(&self, name: &str, more: &[&str]) -> PathBuf {
        let path = self.directory.path().join(name);
        let output = path.to_string_lossy().into_owned();
        let args = [&["snapshot", "create", "--output", &output], more].concat();
        self.collector.cli(&args).await.out();
        path
    }

    /// The archive's files, as an auditor unpacks them.
    fn unpacked(&self, archive: &Path) -> PathBuf {
        let to = archive.with_extension("files");
        std::fs::create_dir(&to).expect("a directory");
        shell(&to, &format!("tar xf {}", archive.display())).out();
        to
    }

    /// `allowed_signers`, as the operator hands it over.
    async fn signers(&self) -> PathBuf {
        let path = self.directory.path().join("allowed_signers");
        let lines = self.collector.cli(&["snapshot", "signers"]).await.out();
        std::fs::write(&path, lines + "\n").expect("written");
        path
    }
}

fn shell(directory: &Path, script: &str) -> Ended {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(directory);
    command.output().expect("bash").into()
}

const LISTING: &str = "diff <(cut -c67- SHA256SUMS | LC_ALL=C sort) <(find . -type f \
     ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig ! -path ./SHA256SUMS.sig.tsr \
     -printf '%P\\n' | LC_ALL=C sort)";

/// What the tests' installer put there: the environment of Python with tools of auditors.
fn auditor(program: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/auditor/bin").join(program);
    assert!(path.exists(), "{} is missing: run tests/install", path.display());
    path.display().to_string()
}

/// An authority for time stamps, as `openssl` makes one.
const AUTHORITY: &str = r#"
cat > tsa.cnf <<'CNF'
[req]
distinguished_name = dn
[dn]
[ca_ext]
basicConstraints = critical,CA:TRUE
[tsa_ext]
extendedKeyUsage = critical,timeStamping
[tsa1]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
CNF
echo 01 > serial
ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config tsa.cnf"
openssl req -x509 $ec -keyout ca.key -out ca.pem -days 30 -subj "/CN=Test root" -extensions ca_ext
openssl req -new $ec -keyout tsa.key -out tsa.csr -subj "/CN=Test authority"
openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile tsa.cnf \
  -extensions tsa_ext -out tsa.pem
openssl ts -query -data "$FILES/SHA256SUMS.sig" -sha256 -cert -out request
openssl ts -reply -queryfile request -config tsa.cnf -section tsa1 -signer tsa.pem -inkey tsa.key \
  -out "$FILES/SHA256SUMS.sig.tsr"
"#;

/// OSCAL by compliance-trestle: all documents, and the signature over the results.
const OSCAL: &str = r#"
"$TRESTLE" init > /dev/null 2>&1
for at in catalogs/catalog profiles/profile assessment-plans/assessment-plan \
    assessment-results/assessment-results; do
  mkdir -p "${at%/*}/snap"
  cp "$FILES/oscal/${at##*/}.json" "${at%/*}/snap/"
done
"$TRESTLE" validate -a
"$TRESTLE" verify --beta -f assessment-results/snap/assessment-results.json \
  --signature "$FILES/oscal/assessment-results.dsse.json" --public-key "$FILES/keys/snapshot.pem"
"#;

/// The same signature with jq and openssl alone, as README.txt says.
const DSSE: &str = r#"
T=$(jq -r .payloadType "$E"); jq -r .payload "$E" | base64 -d > payload
{ printf 'DSSEv1 %d %s %d ' ${#T} "$T" $(wc -c < payload); cat payload; } > pae
jq -r '.signatures[0].sig' "$E" | base64 -d > signature
openssl pkeyutl -verify -rawin -pubin -inkey "$KEY" -in pae -sigfile signature
"#;

#[tokio::test]
async fn an_auditor_verifies_a_snapshot_with_tools_that_are_not_ours() {
    let site = Site::new(Store::Sqlite).await;
    let sampled = ["--from", "2020-01-01T00:00:00Z", "--sample-seed", "s", "--sample-size", "5"];
    let archive = site.create("one.tar", &[&["--label", "Audit"], &sampled[..]].concat()).await;
    let signers = site.signers().await;
    let files = site.unpacked(&archive);
    let verify = format!(
        "ssh-keygen -Y verify -f {} -I collector -n evidenced-snapshot -s SHA256SUMS.sig < SHA256SUMS",
        signers.display()
    );
    assert!(shell(&files, &verify).out().contains("Good \"evidenced-snapshot\" signature"));
    shell(&files, "sha256sum --strict --quiet -c SHA256SUMS").out();
    shell(&files, LISTING).out();
    let host = site.agent.host();
    let read = |name: &str| std::fs::read_to_string(files.join(name)).expect("a file");
    let document: Value = serde_json::from_str(&read(&format!("hosts/{host}.json"))).expect("JSON");
    assert_eq!((&document["disagrees"], &document["judged"]), (&json!([]), &json!(true)));
    for (name, text) in [
        ("report.html", "toor"),
        ("lists/deviations.csv", "toor"),
        ("README.txt", "ssh-keygen -Y verify"),
        (&format!("explanations/{host}.jsonl"), "\"offenders\":[\"toor\"]"),
    ] {
        assert!(read(name).contains(text), "{name}");
    }

    let place = site.directory.path();
    let run = |script: &str, more: &str| {
        let directory = tempfile::tempdir_in(place).expect("a directory");
        let set = format!("FILES={}; TRESTLE={}; {more}\n", files.display(), auditor("trestle"));
        shell(directory.path(), &(set + script))
    };
    run(OSCAL, "").out();
    let envelope = |name: &str, key: &str| {
        run(DSSE, &format!("E={}; KEY={}", files.join(name).display(), files.join(key).display()))
    };
    let results = "oscal/assessment-results.dsse.json";
    assert!(envelope(results, "keys/snapshot.pem").out().contains("Verified Successfully"));
    // One check-in of the sample, with the host's own key.
    let drawn = read("sample/drawn.jsonl");
    let drawn: Value = serde_json::from_str(drawn.lines().next().expect("an item")).expect("JSON");
    let key = document["evidence_key"].as_str().expect("a key");
    let pem = "{ printf '\\x30\\x2a\\x30\\x05\\x06\\x03\\x2b\\x65\\x70\\x03\\x21\\x00'; \
               echo $K | base64 -d; } | openssl pkey -pubin -inform DER -out keys/host.pem";
    shell(&files, &format!("K={key}; {pem}")).out();
    let check_in = format!("sample/{}.dsse.json", drawn["index"]);
    assert!(envelope(&check_in, "keys/host.pem").out().contains("Verified Successfully"));
    assert_ne!(envelope(results, "keys/host.pem").code, Some(0));
    std::fs::remove_file(files.join("keys/host.pem")).expect("removed");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/main_path/auditor.py");
    let python = format!("{} {} .", auditor("python"), script.display());
    let said = shell(&files, &python).out();
    assert!(said.contains("proofs") && !said.contains(" 0 proofs"), "{said}");
    // The draw, as the documentation has it: a line of shell.
    let again = "while read -r item; do printf '%s %s\\n' \
        \"$(printf 's\\n%s' \"$item\" | sha256sum | cut -c-64)\" \"$item\"; done < sample/failures.txt \
        | LC_ALL=C sort | head -n 5 | cut -c66-";
    let again = shell(&files, again).out();
    let drawn = read("sample/drawn.jsonl");
    assert!(again.lines().all(|item| drawn.contains(item)) && !again.is_empty(), "{again}");

    stamped(&site, &files).await;
    // The near misses: another purpose, a changed byte, a file more.
    assert_ne!(shell(&files, &verify.replace("-n evidenced-snapshot", "-n git")).code, Some(0));
    shell(&files, "echo >> README.txt").out();
    assert_ne!(shell(&files, "sha256sum --strict --quiet -c SHA256SUMS").code, Some(0));
    shell(&files, "echo > SHA256SUMSx").out();
    assert_ne!(shell(&files, LISTING).code, Some(0));
}

/// A time stamp that stands beside the signature holds, and is in nobody's way.
async fn stamped(site: &Site, files: &Path) {
    let place = tempfile::tempdir_in(site.directory.path()).expect("a directory");
    shell(place.path(), &format!("FILES={}\n{AUTHORITY}", files.display())).out();
    let verify = format!(
        "openssl ts -verify -data SHA256SUMS.sig -in SHA256SUMS.sig.tsr -CAfile {}/ca.pem",
        place.path().display()
    );
    shell(files, &verify).out();
    shell(files, LISTING).out();
    shell(files, "echo >> SHA256SUMS.sig").out();
    assert_ne!(shell(files, &verify).code, Some(0));
}

#[tokio::test]
async fn a_snapshot_is_verified_without_the_collector_and_a_changed_one_is_not() {
    let site = Site::new(Store::Postgres).await;
    let archive = site.create("one.tar", &[]).await;
    let signers = site.signers().await;
    let (file, list) = (archive.display().to_string(), signers.display().to_string());
    let verify = async |file: &str, more: &[&str]| {
        let mut command = program("evidenced-collector");
        command.args(["snapshot", "verify", file, "--format", "json"]).args(more);
        Ended::of(command).await
    };
    let said = verify(&file, &["--allowed-signers", &list]).await.json();
    assert_eq!(said["verified"], true, "{said}");
    let layers = said["layers"].as_object().expect("layers");
    let proved = |name: &str| layers[name]["proved"].as_array().is_some_and(|l| !l.is_empty());
    for name in ["form", "digests", "signature", "log", "check_ins", "facts", "results", "derived"]
    {
        assert!(proved(name), "{name}: {said}");
    }
    let without = verify(&file, &[]).await.json();
    assert!(without["layers"]["signature"]["proved"] == json!([]), "{without}");

    let mut bytes = std::fs::read(&archive).expect("an archive");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let changed = site.directory.path().join("changed.tar");
    std::fs::write(&changed, bytes).expect("written");
    assert_eq!(verify(&changed.display().to_string(), &[]).await.code, Some(4));
    let other = site.directory.path().join("other");
    let stranger = "collector ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    std::fs::write(&other, stranger).expect("written");
    let refused = verify(&file, &["--allowed-signers", &other.display().to_string()]).await;
    assert_eq!(refused.code, Some(4), "{}", refused.stdout);
    assert_eq!(verify("/nonexistent.tar", &[]).await.code, Some(1));

    // What changed from one to the next.
    let second = site.create("two.tar", &[]).await.display().to_string();
    let mut compare = program("evidenced-collector");
    compare.args(["snapshot", "compare", &file, &second, "--format", "json"]);
    let difference = Ended::of(compare).await.json();
    assert_eq!(difference["results"], json!([]), "{difference}");
    assert!(difference["unchanged"].as_u64() > Some(10), "{difference}");

    let key = site.directory.path().join("identity");
    let made = shell(site.directory.path(), "age-keygen -o identity 2>&1").out();
    let recipient = made.rsplit(' ').next().expect("a recipient").to_owned();
    let closed = site.create("closed.tar.age", &["--encrypt-to", &recipient]).await;
    let open = format!("age -d -i {} -o opened.tar {}", key.display(), closed.display());
    shell(site.directory.path(), &open).out();
    let opened = site.directory.path().join("opened.tar").display().to_string();
    assert_eq!(verify(&opened, &["--allowed-signers", &list]).await.code, Some(0));
    assert!(!site.directory.path().join("closed.tar.age.plain").exists());
    // Without the program it is said, and nothing is left in the open.
    let mut without = program("evidenced-collector");
    without.env("PATH", "/nonexistent").args(["snapshot", "create", "--encrypt-to", &recipient]);
    let nowhere = site.directory.path().join("nowhere.tar");
    without.arg("--output").arg(&nowhere).arg("--data").arg(site.collector.data());
    let refused = Ended::of(without).await;
    assert!(refused.stderr.contains("`age` is not installed"), "{}", refused.stderr);
    assert!(refused.code == Some(1) && !nowhere.exists());
}
