//! `README.txt`: how to verify a snapshot with tools that are not ours.

use super::time;
use crate::snapshot::document::Head;
use crate::snapshot::sshsig::{NAMESPACE, PRINCIPAL};
use std::fmt::Write as _;

pub(super) fn text(head: &Head) -> String {
    let mut text = format!("Snapshot of the evidence of {}\n", head.organisation);
    let of = match head.pins.is_period() {
        true => format!("from {} to {}", time(head.pins.from_us), time(head.pins.at_us)),
        false => format!("as of {}", time(head.pins.at_us)),
    };
    let _ = writeln!(text, "{of} (UTC), as the log {} knew it", head.origin);
    let _ = writeln!(text, "with its first {} leaves, root {}.\n", head.pins.known_size, head.root);
    for (word, said) in [
        ("Label", &head.asked.label),
        ("For", &head.asked.recipient),
        ("Purpose", &head.asked.purpose),
    ] {
        if !said.is_empty() {
            let _ = writeln!(text, "{word}: {}", one_line(said));
        }
    }
    if !head.left_out.is_empty() {
        let kinds: Vec<_> = head.left_out.iter().map(String::as_str).collect();
        let _ = writeln!(text, "Left out: bodies of facts about people ({}).", kinds.join(", "));
        text.push_str("Their digests are here; rules that read them cannot be judged again.\n");
    }
    text + &format!("{BEGIN_HERE}{}{REST}", verify())
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

const BEGIN_HERE: &str = "
Begin with report.html. Every figure in it comes from the documents beside it.

VERIFY, ON ANY MACHINE, WITHOUT A NETWORK

You need the organisation's public key from somewhere else than this archive: a line of
`allowed_signers` that was given to you in person, printed, or published. The folder keys/ holds
copies for convenience; who can change an archive can change them too.

  tar xf SNAPSHOT.tar -C DIRECTORY     (into an empty directory, then cd DIRECTORY)
";

fn verify() -> String {
    format!(
        "
  # Who signed. After the key was replaced, give a day on which it still signed:
  # -O verify-time=YYYYMMDD. Windows and macOS have ssh-keygen too.
  ssh-keygen -Y verify -f allowed_signers -I {PRINCIPAL} -n {NAMESPACE} \\
    -s SHA256SUMS.sig < SHA256SUMS

  # When, if an authority stamped it (SHA256SUMS.sig.tsr is there); its certificate is yours to get.
  # Once that has expired, add -attime SECONDS with the time that the stamp names.
  openssl ts -verify -data SHA256SUMS.sig -in SHA256SUMS.sig.tsr -CAfile authority.pem

  # Nothing was changed (macOS: shasum -a 256 -c), and nothing was added: diff prints nothing.
  sha256sum --strict --quiet -c SHA256SUMS
  diff <(cut -c67- SHA256SUMS | LC_ALL=C sort) <(find . -type f ! -path ./SHA256SUMS \\
    ! -path ./SHA256SUMS.sig ! -path ./SHA256SUMS.sig.tsr -printf '%P\\n' | LC_ALL=C sort)
"
    )
}

const REST: &str = "
Everything at once, and deeper (the log, every check-in's signature, facts, results judged again,
lists and report made again):

  evidenced-collector snapshot verify SNAPSHOT.tar --allowed-signers allowed_signers

WITH OTHER TOOLS

  # The assessment results in OSCAL, and their signature (DSSE over an in-toto statement).
  E=oscal/assessment-results.dsse.json
  T=$(jq -r .payloadType $E); jq -r .payload $E | base64 -d > /tmp/payload
  { printf 'DSSEv1 %d %s %d ' ${#T} \"$T\" $(wc -c < /tmp/payload); cat /tmp/payload; } > /tmp/pae
  jq -r '.signatures[0].sig' $E | base64 -d > /tmp/signature
  openssl pkeyutl -verify -rawin -pubin -inkey keys/snapshot.pem -in /tmp/pae -sigfile /tmp/signature

  # A fact is named by its digest.
  sha256sum objects/* | awk '{ sub(\"objects/\", \"\", $2); if ($1 != $2) print \"other bytes:\", $2 }'

  # The log's checkpoint (C2SP signed note) and proofs (C2SP tlog-proof): log/checkpoint,
  # sample/*.tlog-proof over sample/*.leaf. Of any check-in:
  jq -r '[\"c2sp.org/tlog-proof@v1\", \"index \\(.index)\"] + .proof | .[]' check-ins/HOST.jsonl

WHAT THIS SHOWS, AND WHAT NOT

It shows what the agents of these hosts reported, when, and what the rules in rules/ say of that. It
does not show that a host told the truth: whoever controls a host can make its agent report anything.
The log shows that nothing was changed since it was signed; that the operator kept one log, and showed
everybody the same, is shown by checkpoints that others kept. Controls that people carry out are shown
by their records, not by hosts.
";
