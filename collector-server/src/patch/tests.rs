use super::*;

const NOW: i64 = 20_800 * DAY_US;

fn update(package: &str, rating: Rating, advised: Option<i64>) -> Waiting {
    let candidate = "2".to_owned();
    Waiting { package: package.to_owned(), candidate, rating, advised_day: advised }
}

fn seen(day: i64, waiting: Option<Vec<Waiting>>) -> Seen {
    Seen { from_us: day * DAY_US, to_us: None, waiting }
}

fn of(history: &[Seen]) -> Vec<Patch> {
    patches(history, &PatchLimits::default(), None, NOW)
}

fn standing(waiting: Waiting, first_seen: i64) -> (Start, Standing) {
    let patch = of(&[seen(first_seen, Some(vec![waiting]))]).remove(0);
    (patch.start, patch.standing)
}

#[test]
fn the_clock_starts_at_publication_and_names_its_fallback() {
    let critical = |advised| update("openssl", Rating::Critical, advised);
    assert_eq!(standing(critical(Some(20_792)), 20_799), (Start::Publication, Standing::PastLimit));
    // On the seventh day to the microsecond it is still in time.
    assert_eq!(
        standing(critical(Some(20_793)), 20_799),
        (Start::Publication, Standing::WithinLimit)
    );
    assert_eq!(standing(critical(None), 20_799), (Start::FirstSeen, Standing::WithinLimit));
    assert_eq!(standing(critical(None), 20_700), (Start::FirstSeen, Standing::PastLimit));
}

#[test]
fn what_nobody_rated_has_no_limit_and_is_not_within_one() {
    let patch = of(&[seen(1, Some(vec![update("bash", Rating::Unknown, Some(1))]))]).remove(0);
    assert_eq!((patch.due_us, patch.standing), (None, Standing::Unrated));
    let word: Rating = serde_json::from_str("\"severe\"").expect("another word");
    assert_eq!(word, Rating::Unknown);
}

#[test]
fn an_update_closes_when_it_is_known_to_wait_no_more() {
    let openssl = || update("openssl", Rating::Critical, Some(20_780));
    let history =
        [seen(20_781, Some(vec![openssl()])), seen(20_785, None), seen(20_790, Some(vec![]))];
    let patch = of(&history).remove(0);
    assert_eq!((patch.closed_us, patch.standing), (Some(20_790 * DAY_US), Standing::ClosedLate));
    assert_eq!(of(&history[..2])[0].closed_us, None, "what was not known closes nothing");
    let early = [seen(20_781, Some(vec![openssl()])), seen(20_785, Some(vec![]))];
    assert_eq!(of(&early)[0].standing, Standing::ClosedInTime);
}

#[test]
fn a_later_fix_does_not_set_the_clock_back_and_a_return_is_another_one() {
    let first = update("openssl", Rating::Critical, Some(20_780));
    let second = Waiting { candidate: "3".into(), advised_day: Some(20_799), ..first.clone() };
    let patch = of(&[seen(20_781, Some(vec![first])), seen(20_799, Some(vec![second.clone()]))]);
    assert_eq!(patch.len(), 1);
    assert_eq!((patch[0].candidate.as_str(), patch[0].standing), ("3", Standing::PastLimit));
    let back = [
        seen(20_781, Some(vec![second.clone()])),
        seen(20_785, Some(vec![])),
        seen(20_799, Some(vec![second])),
    ];
    assert_eq!(of(&back).len(), 2);
}

#[test]
fn limits_depend_on_criticality_and_environment_and_the_first_row_that_fits_counts() {
    let text = "critical = '7d'\nimportant = '30d'\nmoderate = '90d'\nlow = '180d'\n\
                [[for]]\ncriticality = 'critical'\nenvironment = 'production'\ncritical = '2d'\n\
                [[for]]\nenvironment = 'production'\ncritical = '5d'\n";
    let limits: PatchLimits = toml::from_str(text).expect("limits");
    let days = |rating, criticality: &str, environment: &str| {
        let word = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
        let (criticality, environment) = (word(criticality), word(environment));
        let group = GroupRow { criticality, environment, ..GroupRow::default() };
        limits.of(rating, Some(&group)).map(|us| us / DAY_US)
    };
    assert_eq!(days(Rating::Critical, "critical", "production"), Some(2));
    assert_eq!(days(Rating::Important, "critical", "production"), Some(30), "as for all");
    assert_eq!(days(Rating::Critical, "low", "production"), Some(5));
    assert_eq!(days(Rating::Critical, "", "production"), Some(5));
    assert_eq!(days(Rating::Critical, "critical", "test"), Some(7));
    assert_eq!(limits.of(Rating::Critical, None).map(|us| us / DAY_US), Some(7));
    assert_eq!(days(Rating::Unknown, "critical", "production"), None);
    assert!(toml::from_str::<PatchLimits>(&text.replace("production", "prod")).is_err());
}

#[test]
fn a_failure_is_decided_by_its_updates_only_if_all_of_them_say_so() {
    let offenders =
        |names: &[&str]| names.iter().map(|name| format!("{name} 2")).collect::<Vec<_>>();
    let open = of(&[seen(
        20_790,
        Some(vec![
            update("late", Rating::Critical, Some(20_700)),
            update("young", Rating::Critical, Some(20_799)),
            update("unrated", Rating::Unknown, Some(20_700)),
        ]),
    )]);
    let check = |names: &[&str]| verdict(&offenders(names), &open);
    assert_eq!(check(&["young"]), Some(false));
    assert_eq!(check(&["young", "late"]), Some(true));
    assert_eq!(check(&["unrated", "late"]), Some(true));
    assert_eq!(check(&["young", "unrated"]), None, "the limit of the rule holds");
    assert_eq!(check(&["young", "never seen"]), None);
    assert_eq!(check(&[]), None);
}
