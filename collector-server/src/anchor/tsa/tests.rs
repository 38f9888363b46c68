use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// Extensions that an authority's certificates need, and how it answers (openssl-ts(1)).
const CONFIGURATION: &str = "\
[req]
distinguished_name=dn
prompt=no
[dn]
CN=ignored
[ca_ext]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
[tsa_ext]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
[tsa1]
serial=./tsaserial
signer_digest=sha256
default_policy=1.3.6.1.4.1.13762.3
digests=sha256
accuracy=secs:1
ess_cert_id_alg=sha256
";

/// Runs openssl in a directory; whether it succeeded.
fn openssl(directory: &Path, words: &str) -> bool {
    let mut command = Command::new("openssl");
    let done = command.current_dir(directory).args(words.split(' ')).output().expect("openssl");
    done.status.success()
}

/// A directory with an authority of openssl.
fn authority() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    std::fs::write(at.join("tsa.cnf"), CONFIGURATION).expect("written");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config tsa.cnf";
    for words in [
        format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=Root -extensions ca_ext"
        ),
        format!("req -new {key} -keyout tsa.key -out tsa.csr -subj /CN=Authority"),
        "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile tsa.cnf \
         -extensions tsa_ext -out tsa.pem"
            .to_owned(),
    ] {
        assert!(openssl(at, &words), "openssl {words}");
    }
    directory
}

/// What the authority answers to a query.
fn answer(at: &Path, query: &[u8]) -> Vec<u8> {
    std::fs::write(at.join("query"), query).expect("written");
    let reply = "ts -reply -queryfile query -config tsa.cnf -section tsa1 -signer tsa.pem -inkey tsa.key \
         -out reply";
    assert!(openssl(at, reply), "{reply}");
    std::fs::read(at.join("reply")).expect("a reply")
}

/// Whether openssl takes the token for one of `data`.
fn verifies(at: &Path, data: &[u8], tsr: &[u8]) -> bool {
    std::fs::write(at.join("data"), data).expect("written");
    std::fs::write(at.join("tsr"), tsr).expect("written");
    openssl(at, "ts -verify -data data -in tsr -CAfile ca.pem")
}

/// Takes one request on a port of its own and answers it as `answer` does. Gives the address.
fn serve(answer: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let (mut request, mut buffer) = (vec![], [0; 4096]);
        let body = loop {
            let read = stream.read(&mut buffer).expect("read");
            request.extend_from_slice(&buffer[..read]);
            let end = request.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end else { continue };
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            assert!(head.contains("content-type: application/timestamp-query"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").trim().parse().expect("a number");
            if request.len() >= end + 4 + length {
                break request[end + 4..].to_vec();
            }
        };
        let reply = answer(&body);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            reply.len()
        );
        stream.write_all(head.as_bytes()).expect("written");
        stream.write_all(&reply).expect("written");
    });
    format!("http://{address}/tsr")
}

/// How an authority answers a query.
type Answer = Box<dyn FnOnce(&[u8]) -> Vec<u8> + Send>;

fn install_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[tokio::test]
async fn a_token_is_one_that_openssl_verifies_for_these_bytes_and_for_no_others() {
    install_provider();
    let authority = authority();
    let at = authority.path().to_owned();
    let url = serve({
        let at = at.clone();
        move |query| answer(&at, query)
    });
    let token = Tsa::new(&url).expect("a client").timestamp(b"evidence").await.expect("a token");
    assert!(verifies(&at, b"evidence", &token.tsr));
    assert!(!verifies(&at, b"evidence.", &token.tsr));
    let age_us = jiff::Timestamp::now().as_microsecond() - token.at_us;
    assert!((0..600_000_000).contains(&age_us), "the time is that of the authority: {age_us}");
}

#[tokio::test]
async fn an_answer_to_another_question_is_refused() {
    install_provider();
    let authority = authority();
    let at = authority.path().to_owned();
    let asked = |answer: Answer| async {
        let url = serve(answer);
        Tsa::new(&url).expect("a client").timestamp(b"evidence").await
    };
    let other = {
        let at = at.clone();
        // The authority stamps something else.
        asked(Box::new(move |_| answer(&at, &query(&Digest::of(b"other"), &[0x41; 8]))))
    };
    let told = other.await.expect_err("refused").to_string();
    assert!(told.contains("imprint"), "{told}");
    // The same bytes, stamped before.
    let replayed = {
        let at = at.clone();
        asked(Box::new(move |_| answer(&at, &query(&Digest::of(b"evidence"), &[0x41; 8]))))
    };
    let told = replayed.await.expect_err("refused").to_string();
    assert!(told.contains("nonce"), "{told}");
    let refusing = asked(Box::new(|_| {
        // PKIStatusInfo: rejection, with words.
        let words = der::sequence(&[&der::element(der::UTF8, b"not today")]);
        der::sequence(&[&der::sequence(&[&der::element(der::INTEGER, &[2]), &words])])
    }));
    let told = refusing.await.expect_err("refused").to_string();
    assert!(told.contains("not today"), "{told}");
    let noise = asked(Box::new(|_| b"<html>".to_vec()));
    assert!(matches!(noise.await, Err(TsaError::Answer(_))));
}

#[test]
fn every_cut_and_no_changed_bit_of_imprint_or_nonce_passes() {
    let authority = authority();
    let (imprint, nonce) = (Digest::of(b"evidence"), [0x41, 2, 3, 4, 5, 6, 7, 8]);
    let tsr = answer(authority.path(), &query(&imprint, &nonce));
    assert!(check(&tsr, &imprint, Some(&nonce)).is_ok());
    for end in 0..tsr.len() {
        assert!(check(&tsr[..end], &imprint, Some(&nonce)).is_err(), "{end}");
    }
    for part in [imprint.0.as_slice(), &nonce] {
        let at = tsr.windows(part.len()).position(|found| found == part).expect("in the token");
        for byte in at..at + part.len() {
            let mut changed = tsr.clone();
            changed[byte] ^= 1;
            assert!(check(&changed, &imprint, Some(&nonce)).is_err(), "{byte}");
        }
    }
}

#[test]
fn times_are_read_to_the_microsecond() {
    assert_eq!(generalized_us(b"19700101000001Z"), Some(1_000_000));
    assert_eq!(generalized_us(b"19700101000001.25Z"), Some(1_250_000));
    for bad in [
        "19700101000001",
        "19701301000001Z",
        "1970010100001Z",
        "+9700101000001Z",
        "19700101000001.xZ",
    ] {
        assert_eq!(generalized_us(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn only_addresses_of_the_web_are_taken() {
    install_provider();
    assert!(Tsa::new("http://tsa.example.org/").is_ok());
    for bad in ["", "tsa.example.org", "ftp://tsa.example.org/", "file:///x"] {
        assert!(Tsa::new(bad).is_err(), "{bad}");
    }
}
