//! One suite for both backends: every case runs on SQLite and on PostgreSQL, as tests of their own.

mod cases;

use evidenced_collector::store::Store;

/// Runs a case on a fresh store.
macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let directory = tempfile::tempdir().expect("directory");
                let url = format!("sqlite:{}", directory.path().join("evidence.db").display());
                let store = crate::open(&url).await;
                crate::cases::$case(&store).await;
                store.close().await;
            })*
        }
        mod postgres_15 {
            $(#[tokio::test]
            async fn $case() {
                let database = tokio::task::spawn_blocking(evidenced_tests::postgres::database);
                let url = database.await.expect("database");
                let store = crate::open(&url).await;
                crate::cases::$case(&store).await;
                store.close().await;
            })*
        }
    };
}

async fn open(url: &str) -> Store {
    Store::open(url).await.expect("store")
}

conformance!(
    a_check_in_is_in_the_log_with_proofs_that_verify,
    a_repeated_check_in_is_answered_and_not_logged_again,
    what_does_not_follow_is_refused_and_the_rest_of_the_batch_counts,
    a_new_chain_is_accepted_and_noticed,
    nothing_is_asked_for_twice_and_nothing_unasked_is_taken,
    one_host_learns_nothing_of_what_another_sent,
    a_token_enrols_as_often_as_it_may_and_not_after_its_time,
    a_judgement_counts_once_whoever_computed_it,
    a_job_is_not_taken_away_while_new_check_ins_arrive,
    the_past_is_answered_as_it_was_known_then,
    a_login_link_works_once,
    concurrent_writers_get_one_order,
    a_damaged_row_is_found_and_named,
    tiles_hold_across_their_borders,
    a_wrong_clock_moves_nothing_into_the_future_or_before_enrolment,
    facts_that_never_come_do_not_hide_that_they_are_missing,
    a_host_whose_objects_never_come_is_judged_all_the_same,
    a_rule_that_judges_no_more_holds_no_result,
    a_check_in_judged_again_supersedes_and_rewrites_nothing,
    a_session_ends_when_it_is_idle_and_after_its_longest_time,
    a_new_password_ends_every_session_and_link_of_its_person_and_of_no_other,
    a_disabled_person_is_out_at_once_and_the_last_administrator_cannot_be_disabled,
    names_of_people_are_told_apart_without_regard_to_case,
    drifts_of_one_cause_are_one_line_and_pages_of_them_add_up,
    what_was_is_told_for_the_timeline,
);
