use super::*;
use proptest::prelude::*;

const INDEX: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo">
  <revision>1795600000</revision>
  <data type="primary">
    <checksum type="sha256">AB12</checksum>
    <open-checksum type="sha256">cd34</open-checksum>
    <location href="repodata/ab12-primary.xml.gz"/>
    <timestamp>1795600001</timestamp>
    <size>10</size>
    <open-size>100</open-size>
  </data>
</repomd>"#;

#[test]
fn an_index_names_its_files_with_their_checksums() {
    let found = index(INDEX).expect("whole");
    assert_eq!(found.made_s, Some(1_795_600_000));
    let sum = Sum { algorithm: "sha256".to_owned(), hex: "ab12".to_owned() };
    let data = Data { name: "ab12-primary.xml.gz".to_owned(), sum, open_bytes: Some(100) };
    assert_eq!(found.files.into_iter().collect::<Vec<_>>(), [("primary".to_owned(), data)]);
}

#[test]
fn a_revision_that_is_no_time_leaves_that_of_the_files() {
    let found = index(&INDEX.replace("1795600000", "15.6")).expect("whole");
    assert_eq!(found.made_s, Some(1_795_600_001));
}

#[test]
fn an_index_that_is_cut_or_another_document_is_none() {
    for bad in [
        INDEX.replace("repomd", "metadata"),
        INDEX.replace("AB12", "?"),
        INDEX.replace("type=\"primary\"", ""),
        INDEX[..INDEX.len() - 5].to_owned(),
    ] {
        assert!(index(&bad).is_err(), "{bad}");
    }
}

fn primary(count: &str, version: &str) -> String {
    format!(
        r#"<metadata packages="{count}"><package type="rpm"><name>bash</name><arch>x86_64</arch>
        <version epoch="0" {version} rel="2.el9"/><summary>A &amp; B</summary>
        <format><rpm:vendor>Example &amp; Co</rpm:vendor></format></package></metadata>"#
    )
}

fn listed(text: &str) -> Result<Vec<Available>, XmlError> {
    let mut found = Vec::new();
    packages(text.as_bytes(), 1 << 20, |name| name == "bash", |one| found.push(one))?;
    Ok(found)
}

#[test]
fn a_list_has_as_many_packages_as_it_says() {
    let found = listed(&primary("1", "ver=\"5.2\"")).expect("whole");
    let bash = Available {
        name: "bash".to_owned(),
        arch: "x86_64".to_owned(),
        evr: "5.2-2.el9".to_owned(),
        vendor: Some("Example & Co".to_owned()),
    };
    assert_eq!(found, [bash]);
    for (count, version) in
        [("2", "ver=\"5.2\""), ("1", ""), ("", "ver=\"5.2\""), ("1", "ver=\"\"")]
    {
        assert!(listed(&primary(count, version)).is_err(), "{count} {version}");
    }
}

const ADVISORIES: &str = r#"<updates>
<update from="x" status="final" type="security" version="1"><id>EX-2026:1</id>
<issued date="2026-11-20 10:00:00"/><severity>Important</severity>
<description>text</description><pkglist><collection short="x"><name>x</name>
<package name="bash" version="5.2" release="2.el9" epoch="1" arch="x86_64" src="s"><filename>f</filename></package>
<package name="other" version="1" release="1" epoch="0" arch="noarch"/></collection>
<collection><module name="m" stream="1"/><package name="bash" version="6" release="1" epoch="0" arch="x86_64"/></collection>
</pkglist></update>
<update type="bugfix"><id>EX-2026:2</id><issued date="1795600000"/><pkglist><collection>
<package name="bash" version="5.3" release="1" arch="x86_64"/></collection></pkglist></update>
</updates>"#;

#[test]
fn advisories_say_what_they_fix_how_grave_it_is_and_since_when() {
    let mut found = Vec::new();
    advisories(ADVISORIES.as_bytes(), 1 << 20, |name| name == "bash", |one| found.push(one))
        .expect("whole");
    let lines: Vec<_> = found
        .iter()
        .map(|one| {
            let advice = &one.advice;
            let (id, security, day) = (&advice.id, advice.security, advice.issued_day);
            (one.evr.as_str(), one.modular, id.as_str(), security, advice.rating, day)
        })
        .collect();
    let day = Some(20_777);
    assert_eq!(
        lines,
        [
            ("1:5.2-2.el9", false, "EX-2026:1", true, Rating::Important, day),
            ("6-1", true, "EX-2026:1", true, Rating::Important, day),
            ("5.3-1", false, "EX-2026:2", false, Rating::None, Some(1_795_600_000 / 86_400)),
        ]
    );
}

#[test]
fn advisories_that_are_cut_or_lack_what_they_are_about_are_none() {
    for (from, to) in [
        (" type=\"bugfix\"", ""),
        ("<id>EX-2026:2</id>", ""),
        ("name=\"bash\" version=\"5.3\"", "version=\"5.3\""),
        ("</updates>", ""),
        ("updates>", "metadata>"),
    ] {
        let text = ADVISORIES.replace(from, to);
        let read = advisories(text.as_bytes(), 1 << 20, |_| true, |_| {});
        assert!(read.is_err(), "{from}");
    }
}

proptest! {
    #[test]
    fn every_cut_is_refused(at in 0..ADVISORIES.len() - 1) {
        let read = advisories(&ADVISORIES.as_bytes()[..at], 1 << 20, |_| true, |_| {});
        prop_assert!(read.is_err());
    }
}
