use super::*;

/// Stands in for the module that knows crontab(5).
fn five_fields(text: &str) -> Result<(), String> {
    match text.split_whitespace().count() {
        5 => Ok(()),
        count => Err(format!("`{text}` has {count} fields, not 5")),
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("agent.toml"), text, five_fields)
}

fn error(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn the_shipped_file_is_the_defaults() {
    assert_eq!(parse(DEFAULT_TEXT).expect("valid"), Config::default());
    assert_eq!(parse("").expect("empty"), Config::default());
    assert_eq!(Config::load(None, five_fields).expect("defaults"), Config::default());
}

/// The keys of a table, as its own error names them: a new field cannot be forgotten here.
fn known_keys(table: &str) -> Vec<String> {
    let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
    let error = toml::from_str::<Document>(&format!("{header}no_such_key_at_all = 1\n")).err();
    let message = error.expect("unknown key").message().to_owned();
    let keys = message.split('`').skip(3).step_by(2);
    keys.map(str::to_owned).collect()
}

#[test]
fn the_shipped_file_has_every_key_each_with_a_comment() {
    let shipped: toml::Table = DEFAULT_TEXT.parse().expect("TOML");
    let tables = known_keys("");
    assert_eq!(tables.len(), 9, "{tables:?}");
    for table in tables {
        let written = shipped[&table].as_table().expect("table");
        if table == "schedule" {
            for collector in collectors::ALL {
                let value = written.get(collector.kind).and_then(toml::Value::as_str);
                let (kind, line) = (collector.kind, collector.schedule);
                assert_eq!(value, Some(line), "add `{kind} = \"{line}\"` to config/agent.toml");
            }
            continue;
        }
        for key in known_keys(&table) {
            assert!(written.contains_key(&key), "{table}.{key} is not in config/agent.toml");
            let (before, _) = DEFAULT_TEXT.split_once(&format!("\n{key} = ")).expect("key");
            let comment = before.lines().last().is_some_and(|line| line.starts_with("# "));
            assert!(comment, "{table}.{key} has no comment");
        }
    }
}

#[test]
fn what_is_set_is_what_is_meant() {
    let config = parse(
        "[check_in]\ncoalesce = \"0s\"\n[schedule]\npackages = \"off\"\n[spool]\nmax_size = \"1GiB\"\n\
         [log]\nlevel = \"warn\"\nformat = \"json\"\n",
    )
    .expect("valid");
    assert_eq!(config.check_in.coalesce, Duration::ZERO);
    assert_eq!(config.check_in.at_least_every, CheckIn::default().at_least_every);
    assert_eq!(config.schedule["packages"], Schedule::Off);
    assert_eq!(config.spool.max_size, 1 << 30);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Warn, LogFormat::Json));
    let config = parse("schedule.packages = \"30 4 * * Mon\"\n").expect("valid");
    assert_eq!(config.schedule["packages"], Schedule::Cron("30 4 * * Mon".to_owned()));
}

#[test]
fn an_error_says_where_it_is_and_what_was_meant() {
    let is = |text: &str, expect: &str| assert_eq!(error(text), format!("agent.toml:{expect}"));
    is("\n[shedule]\n", "2:2: unknown key `shedule`; did you mean `schedule`?");
    is("[ship]\ntimout = \"1s\"\n", "2:1: unknown key `timout`; did you mean `timeout`?");
    is(
        "[ship]\nvessel = \"x\"\n",
        "2:1: unknown key `vessel`; known: servers, proxy, timeout, retry_min, retry_max",
    );
    is("[ship]\nproxy = \"x\"\n", "2:1: `proxy` is not an address such as http://HOST:PORT");
    is(
        "[ship]\nservers = [\"https://a.example.org\", \"b.example.org\"]\n",
        "2:1: `b.example.org` is not the address of a collector; write https://HOST:PORT",
    );
    is("ship = { timout = \"1s\" }\n", "1:10: unknown key `timout`; did you mean `timeout`?");
    is("[log]\nlevel = \"warning\"\n", "2:9: unknown value `warning`; did you mean `warn`?");
    is(
        "[schedule]\n# ü\npackges = \"off\"\n",
        "3:1: unknown kind `packges`; did you mean `packages`?",
    );
    is("[schedule]\npackages = \"* *\"\n", "2:12: `* *` has 2 fields, not 5");
    is(
        "[spool]\nmax_size = \"256M\"\n",
        "2:12: `256M` is no size; write a number with B, KiB, MiB, GiB or TiB, such as \"256MiB\"",
    );
    is("[ship]\ntimeout = \"0s\"\n", "2:11: `0s` is too short; at least 1s");
    is("[ship]\ntimeout = 30\n", "2:11: invalid type: integer `30`, expected a string");
    is("[spool]\nmax_size = \"1kB\"\n", "2:1: `max_size` is below 1MiB");
    is("[ship]\nretry_min = \"10m\"\n", "1:2: `retry_max` is shorter than `retry_min`");
    is(
        "[ship]\nretry_min = \"2m\"\nretry_max = \"1m\"\n",
        "3:1: `retry_max` is shorter than `retry_min`",
    );
    is(
        "check_in = { at_least_every = \"1m\" }\n",
        "1:1: `coalesce` is not shorter than `at_least_every`",
    );
}

#[test]
fn text_that_is_no_toml_is_refused_where_it_breaks() {
    for (text, place) in
        [("[ship\n", "agent.toml:1:"), ("[log]\n[log]\n", "agent.toml:2:"), ("a", "agent.toml:1:")]
    {
        let error = error(text);
        assert!(error.starts_with(place) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_no_reason_for_defaults() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("agent.toml");
    let error = Config::load(Some(&path), five_fields).expect_err("absent").to_string();
    assert!(error.starts_with(&format!("{}: No such file", path.display())), "{error}");
    std::fs::write(&path, "[log]\nlevel = \"debug\"\n").expect("written");
    let config = Config::load(Some(&path), five_fields).expect("valid");
    assert_eq!(config.log.level, LogLevel::Debug);
}
