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
    a_day_that_turns_is_judged_though_a_host_sends_nothing_new,
    a_late_check_in_of_yesterday_brings_no_yesterday_back,
    a_silent_host_gets_no_verdict_of_a_new_day,
    a_wrong_clock_that_jumped_ahead_does_not_decide_for_ever,
    collectors_share_the_work_of_a_day_and_one_that_dies_leaves_it,
    a_retired_host_is_refused_and_its_evidence_stays,
    maintenance_ends_by_itself_and_a_check_in_does_not_end_it,
    hosts_of_an_ephemeral_group_end_when_nobody_hears_them,
    what_is_said_of_a_host_is_answered_as_it_was_known_then,
    the_list_of_expected_hosts_is_replaced_whole_and_logged,
    lists_in_pages_have_every_item_once_whatever_comes_between,
    a_queue_takes_what_it_has_room_for_and_refuses_the_rest,
    a_check_in_that_meets_a_damaged_row_holds_up_no_other,
);

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let store = open(&format!("sqlite:{}", directory.path().join("evidence.db").display())).await;
    cases::a_full_disk_loses_nothing(&store).await;
    store.close().await;
}
