//! The kind `certificates` beside openssl(1), which makes and reads certificates and keys of many
//! sorts, and beside `nginx -T`, which says what a configuration comes to. Needs the packages openssl
//! and nginx-light.

use evidence::kinds::Certificates;
use evidence::kinds::certificates::{Certificate, KeyType, SignatureHash};
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn collected(root: &Path) -> Certificates {
    let collector = collectors::find("certificates").expect("kind");
    let collected = collector.collect(&Host::rooted(root).expect("root"));
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

fn at(root: &Path, path: &str) -> String {
    root.join(path.trim_start_matches('/')).to_str().expect("UTF-8").to_owned()
}

/// The line after `name`, as `openssl x509 -text` has it.
fn said(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim().to_owned()
}

fn agrees(root: &Path, one: &Certificate) {
    let path = at(root, &one.path);
    let text = run("openssl", &["x509", "-in", &path, "-noout", "-text", "-nameopt", "RFC2253"]);
    let fields = run(
        "openssl",
        &[
            "x509",
            "-in",
            &path,
            "-noout",
            "-serial",
            "-fingerprint",
            "-sha256",
            "-dates",
            "-dateopt",
            "iso_8601",
        ],
    );
    let field = |name: &str| said(&fields, name);
    assert_eq!(
        one.serial.trim_start_matches('0'),
        field("serial=").to_lowercase().trim_start_matches('0')
    );
    let print = field("sha256 Fingerprint=").replace(':', "").to_lowercase();
    assert!(one.sha256.ends_with(&print), "{} {print}", one.sha256);
    for (seconds, name) in [(one.not_before_s, "notBefore="), (one.not_after_s, "notAfter=")] {
        let of = run("date", &["-u", "-d", &field(name), "+%s"]);
        assert_eq!(seconds.to_string(), of.trim(), "{name}");
    }
    let size = text.lines().find_map(|line| line.trim().strip_prefix("Public-Key: ("));
    if let Some(size) = size {
        let bits = size.split(' ').next().expect("bits");
        assert_eq!(one.key_bits.to_string(), bits, "{}", one.path);
    }
    let key = said(&text, "Public Key Algorithm:");
    let expect = match key.as_str() {
        "rsaEncryption" | "rsassaPss" => KeyType::Rsa,
        "id-ecPublicKey" => KeyType::Ec,
        "dsaEncryption" => KeyType::Dsa,
        "ED25519" => KeyType::Ed25519,
        "ED448" => KeyType::Ed448,
        other => panic!("{other}"),
    };
    assert_eq!(one.key_type, expect, "{}", one.path);
    let signature = said(&text, "Signature Algorithm:").to_lowercase();
    let hash = match signature.as_str() {
        // Its hash stands in a line of its own.
        "rsassapss" => said(&text, "Hash Algorithm:").to_lowercase(),
        other => other.to_owned(),
    };
    let expect = [
        ("md5", SignatureHash::Md5),
        ("sha1", SignatureHash::Sha1),
        ("sha224", SignatureHash::Sha224),
        ("sha256", SignatureHash::Sha256),
        ("sha384", SignatureHash::Sha384),
        ("sha512", SignatureHash::Sha512),
        ("ed", SignatureHash::Intrinsic),
    ];
    let expect = expect.iter().find(|(name, _)| hash.contains(name)).expect("a hash").1;
    assert_eq!(one.signature_hash, expect, "{hash} of {}", one.path);
    assert_eq!(one.is_ca, text.contains("CA:TRUE"), "{}", one.path);
    assert_eq!(one.sans_count, text.matches("DNS:").count() as i64, "{}", one.path);
    let subject = said(&text, "Subject: CN=");
    assert_eq!(one.subject_cn.as_deref(), Some(subject.as_str()));
    assert_eq!(one.self_signed, said(&text, "Issuer: CN=") == subject);
}

/// Name, key, further arguments.
const SORTS: [(&str, &str, &[&str]); 12] = [
    ("rsa1024", "rsa:1024", &["-sha256"]),
    ("rsa2048", "rsa:2048", &["-sha384"]),
    ("rsa2047", "rsa:2047", &["-sha512"]),
    ("rsasha1", "rsa:2048", &["-sha1"]),
    ("rsamd5", "rsa:1024", &["-md5"]),
    ("rsa224", "rsa:2048", &["-sha224"]),
    ("pss", "rsa:2048", &["-sha256", "-sigopt", "rsa_padding_mode:pss"]),
    ("pss512", "rsa:2048", &["-sha512", "-sigopt", "rsa_padding_mode:pss"]),
    ("p256", "ec", &["-pkeyopt", "ec_paramgen_curve:P-256", "-sha1"]),
    ("p521", "ec", &["-pkeyopt", "ec_paramgen_curve:P-521", "-sha512"]),
    ("ed25519", "ed25519", &[]),
    ("ed448", "ed448", &[]),
];

#[test]
fn certificates_of_many_sorts_are_read_as_openssl_reads_them() {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path();
    fs::create_dir_all(root.join("etc/ssl/private")).expect("directory");
    for (index, (name, key, more)) in SORTS.into_iter().enumerate() {
        let (out, key_out) = (at(root, &format!("etc/ssl/private/{name}.pem")), at(root, "key"));
        let subject = format!("/CN={name}.example.org");
        let names = ["subjectAltName=DNS:a.example.org", "subjectAltName=DNS:a.example.org,DNS:b"];
        let ca = ["basicConstraints=CA:TRUE", "basicConstraints=CA:FALSE"][index % 2];
        let mut args = vec!["req", "-x509", "-newkey", key, "-nodes", "-keyout", &key_out, "-out"];
        args.extend([out.as_str(), "-subj", &subject, "-days", "300", "-addext"]);
        args.extend([names[index % 2], "-addext", ca]);
        args.extend(more);
        run("openssl", &args);
        // In the other form, too.
        if index % 3 == 0 {
            let der = at(root, &format!("etc/ssl/private/{name}.der"));
            run("openssl", &["x509", "-in", &out, "-outform", "DER", "-out", &der]);
        }
    }
    let certs = collected(root).certs.expect("certificates");
    assert_eq!(certs.len(), SORTS.len() + SORTS.len().div_ceil(3));
    for one in &certs {
        agrees(root, one);
    }
}

#[test]
fn keys_are_told_encrypted_as_openssl_needs_a_passphrase() {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path();
    fs::create_dir_all(root.join("etc/ssl/private")).expect("directory");
    let plain = at(root, "etc/ssl/private/plain.key");
    run(
        "openssl",
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", &plain],
    );
    for (name, args) in [
        ("old-plain", &["rsa", "-traditional"] as &[&str]),
        ("old-closed", &["rsa", "-traditional", "-aes128", "-passout", "pass:invented"]),
        ("closed", &["pkcs8", "-topk8", "-passout", "pass:invented"]),
    ] {
        let out = at(root, &format!("etc/ssl/private/{name}.key"));
        run("openssl", &[args, &["-in", &plain, "-out", &out]].concat());
    }
    let keys = collected(root).key_files.expect("keys");
    assert_eq!(keys.len(), 4);
    for key in keys {
        let path = at(root, &key.path);
        let opened = Command::new("openssl")
            .args(["pkey", "-in", &path, "-noout", "-passin", "pass:"])
            .output()
            .expect("openssl");
        assert_eq!(key.encrypted, Some(!opened.status.success()), "{}", key.path);
    }
}

/// Paths that `nginx -T` shows, whatever wrote them.
#[test]
fn a_configuration_of_nginx_names_what_nginx_says_it_names() {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path();
    let tls = root.join("etc/nginx/tls");
    fs::create_dir_all(root.join("etc/nginx/sites")).expect("directory");
    fs::create_dir_all(&tls).expect("directory");
    let mut sites = BTreeSet::new();
    for (name, site) in [
        (
            "a",
            "server { listen 127.0.0.1:9443 ssl; ssl_certificate tls/a.pem; ssl_certificate_key tls/a.key; }",
        ),
        (
            "b.conf",
            "server{listen 127.0.0.1:9444 ssl;ssl_certificate\n\"tls/b c.pem\";ssl_certificate_key 'tls/b c.key'\n;}",
        ),
        (
            "c.conf",
            "# ssl_certificate tls/none.pem;\nserver { listen 127.0.0.1:9445 ssl; # ssl_certificate tls/none.pem\n ssl_certificate tls/c\\ d.pem; ssl_certificate_key tls/c\\ d.key; }",
        ),
        (".hidden", "server { ssl_certificate tls/none.pem; }"),
    ] {
        fs::write(root.join("etc/nginx/sites").join(name), site).expect("written");
    }
    for name in ["a", "b c", "c\\ d"] {
        let (cert, key) = (tls.join(format!("{name}.pem")), tls.join(format!("{name}.key")));
        let (cert, key) = (cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
        run(
            "openssl",
            &[
                "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", cert,
                "-subj", "/CN=a",
            ],
        );
        sites.insert(format!("/etc/nginx/tls/{name}.pem"));
    }
    let main = root.join("etc/nginx/nginx.conf");
    fs::write(&main, "events {}\nhttp { include sites/*; }\n").expect("written");
    let prefix = at(root, "etc/nginx");
    let output = Command::new("nginx")
        .args(["-T", "-p", &prefix, "-c", main.to_str().expect("UTF-8"), "-e", "stderr"])
        .args(["-g", &format!("pid {};", at(root, "pid"))])
        .output()
        .expect("nginx (install nginx-light)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // nginx checks that each certificate is there and reads the same files.
    let shown = text.lines().filter(|line| line.starts_with("# configuration file ")).count();
    assert_eq!(shown, 4, "the main file and three sites: {text}");
    let certs = collected(root).certs.expect("certificates");
    let named = certs.iter().filter(|one| one.used_by == ["nginx"]).map(|one| one.path.clone());
    assert_eq!(named.collect::<BTreeSet<_>>(), sites);
}
