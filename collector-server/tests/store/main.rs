//! One suite for both backends: every case runs on SQLite and on PostgreSQL, as tests of their own.

mod alerts;
mod cases;
mod evidence_log;
mod exceptions;
mod grace;
mod identity;
mod laws;
mod lists;
mod lives;
mod records;
mod reviews;
mod rules;
mod scope;
mod snapshots;
mod time;
mod windows;

use evidenced_collector::store::Store;

/// Runs a case on a fresh store.
macro_rules! conformance {
    ($cases:ident, $sqlite:ident, $postgres:ident: $($case:ident),* $(,)?) => {
        mod $sqlite {
            $(#[tokio::test]
            async fn $case() {
                let directory = tempfile::tempdir().expect("directory");
                let url = format!("sqlite:{}", directory.path().join("evidence.db").display());
                let store = crate::open(&url).await;
                crate::$cases::$case(&store).await;
                store.close().await;
            })*
        }
        mod $postgres {
            $(#[tokio::test]
            async fn $case() {
                let database = tokio::task::spawn_blocking(evidenced_tests::postgres::database);
                let url = database.await.expect("database");
                let store = crate::open(&url).await;
                crate::$cases::$case(&store).await;
                store.close().await;
            })*
        }
    };
}

async fn open(url: &str) -> Store {
    Store::open(url).await.expect("store")
}

conformance!(
    cases, sqlite, postgres_15:
    a_check_in_is_in_the_log_with_proofs_that_verify,
    a_repeated_check_in_is_answered_and_not_logged_again,
    what_does_not_follow_is_refused_and_the_rest_of_the_batch_counts,
    a_large_group_keeps_its_order_and_a_host_may_be_in_it_more_than_once,
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
    a_reading_of_the_log_goes_on_with_what_is_new,
    a_running_collector_checks_what_is_new_and_all_that_was,
    tiles_hold_across_their_borders,
    a_wrong_clock_moves_nothing_into_the_future_or_before_enrolment,
    facts_that_never_come_do_not_hide_that_they_are_missing,
    a_host_whose_objects_never_come_is_judged_all_the_same,
    objects_that_a_host_says_are_lost_are_waited_for_no_longer_and_still_taken,
    a_rule_that_judges_no_more_holds_no_result,
    a_check_in_judged_again_supersedes_and_rewrites_nothing,
    a_session_ends_when_it_is_idle_and_after_its_longest_time,
    a_new_password_ends_every_session_and_link_of_its_person_and_of_no_other,
    a_disabled_person_is_out_at_once_and_the_last_administrator_cannot_be_disabled,
    names_of_people_are_told_apart_without_regard_to_case,
    drifts_of_one_cause_are_one_line_and_pages_of_them_add_up,
    what_was_is_told_for_the_timeline,
    a_token_works_from_its_networks_until_it_is_revoked,
    a_renewed_certificate_follows_the_last_and_a_lost_answer_is_no_copy,
    a_renewal_that_waits_is_approved_for_the_key_that_asked,
    a_revoked_host_has_no_certificate_and_gets_none,
    a_host_that_left_is_ended_once,
    keys_rotate_in_order_and_nothing_is_skipped,
    an_older_chain_that_goes_on_is_a_second_machine,
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

conformance!(
    evidence_log, evidence_log_sqlite, evidence_log_postgres_15:
    a_fork_is_found_when_the_check_ins_of_both_sides_meet,
    a_log_that_was_written_anew_is_found_by_those_who_saw_the_former,
    damage_to_any_column_of_evidence_is_found_and_named,
    checkpoints_are_taken_a_few_at_once_and_by_one_collector,
);

conformance!(
    alerts, alerts_sqlite, alerts_postgres_15:
    an_alert_lives_from_its_drift_to_the_evidence_that_ends_it,
    the_same_change_on_three_hosts_is_one_alert,
    what_flaps_is_told_once_and_shown_as_wrong_until_it_is_quiet,
    what_came_and_went_before_the_last_check_in_is_history_and_no_alert,
    a_live_kind_is_alerted_when_a_second_check_in_agrees,
    other_rules_are_one_alert_for_all_hosts_and_acknowledging_closes_it,
    a_silent_host_is_one_drift_until_it_reports_again,
    a_fleet_that_falls_silent_is_the_collectors_trouble_first,
    a_collector_that_was_away_gives_hosts_their_time_again,
    a_host_that_never_reports_has_a_day,
    a_host_whose_identity_was_revoked_is_no_drift,
    a_restored_machine_is_one_anomaly_from_refusal_to_new_chain,
    a_clock_that_jumps_is_said_once_and_ends_when_it_is_right,
    a_host_that_saw_another_log_is_one_anomaly,
    a_message_is_made_once_and_tried_until_it_arrives,
    lists_are_read_page_by_page,
);

conformance!(
    exceptions, exceptions_sqlite, exceptions_postgres_15:
    an_exception_is_decided_by_a_risk_owner_who_did_not_ask,
    inherited_evidence_is_approved_by_another_and_alerts_when_it_ends,
    two_names_of_one_login_of_the_machine_are_one_pair_of_eyes,
    a_finding_keeps_its_revisions_and_is_overdue_until_it_is_closed,
    a_request_that_nobody_decided_is_overdue_until_it_is_withdrawn_or_asked_for_again,
    a_seat_is_given_and_the_last_administrator_keeps_theirs,
    a_failure_under_an_exception_stays_a_failure_and_alerts_nobody,
    what_an_exception_covered_alerts_once_when_it_ends,
    a_withdrawn_exception_uncovers_at_once,
    a_renewal_leaves_nothing_uncovered_and_is_counted,
    a_host_that_moves_out_of_the_scope_is_uncovered_by_that,
    an_exception_that_nothing_needs_is_pointed_out,
);

conformance!(
    lists, lists_sqlite, lists_postgres_15:
    a_list_is_learnt_decided_and_guards_its_population_from_then_on,
    what_was_not_read_is_not_gone,
    a_list_that_changes_while_facts_do_is_the_cause_only_where_it_made_the_difference,
    a_list_is_known_as_it_was_at_any_moment,
    what_a_list_accepts_is_no_offender_of_its_rule,
    a_member_whose_time_is_over_is_told_once_for_all_hosts,
    a_host_that_comes_into_a_group_meets_its_list_and_did_nothing,
    a_value_that_became_weaker_is_a_change_until_it_is_as_strong_again,
);

conformance!(
    windows, windows_sqlite, windows_postgres_15:
    a_window_excuses_what_it_expects_until_it_ends,
    a_window_excuses_nothing_else,
    a_window_that_expects_a_kind_excuses_its_rules,
);

conformance!(
    grace, grace_sqlite, grace_postgres_15:
    what_a_new_host_does_is_told_when_it_is_new_no_more,
);

conformance!(
    reviews, reviews_sqlite, reviews_postgres_15:
    a_review_is_decided_signed_and_its_removals_end_by_evidence,
    the_next_review_shows_what_changed_first,
    an_overdue_review_is_told_until_one_is_signed,
    a_group_that_was_never_reviewed_owes_a_review_from_its_first_host_on,
);

conformance!(
    lives, lives_sqlite, lives_postgres_15:
    silence_is_a_drift_only_where_a_host_is_expected_to_report,
    maintenance_ends_silence_and_gives_a_host_its_time_again,
    what_is_open_of_a_host_ends_with_it_and_of_no_other,
    a_host_that_leaves_is_ended_as_by_a_person,
    a_host_does_not_clear_its_anomaly_by_leaving,
    the_last_words_of_a_host_open_nothing_after_its_end,
);

conformance!(
    scope, scope_sqlite, scope_postgres_15:
    an_isms_has_one_name_and_says_what_it_was,
    groups_of_an_isms_are_answered_as_they_were_known_then,
    a_statement_is_approved_by_one_who_wrote_nothing_of_it,
    a_control_is_excluded_where_each_isms_says_so_with_approval,
    what_was_approved_stays_and_the_next_version_begins_as_its_copy,
    a_tolerance_holds_until_the_next_word_and_that_of_an_isms_comes_first,
    a_group_has_an_owner_a_deputy_and_a_fallback,
    a_failure_is_open_since_it_was_last_none_whoever_offends,
    a_scope_has_its_own_state_and_a_period_follows_its_members,
    inherited_evidence_counts_over_a_period_for_the_group_a_host_was_in_then,
    updates_are_measured_from_publication_and_decide_their_rule,
    people_are_found_by_their_accounts_and_the_log_names_nobody,
);

conformance!(
    snapshots, snapshots_sqlite, snapshots_postgres_15:
    a_snapshot_holds_and_is_the_same_again,
    a_run_that_was_cut_off_goes_on_and_gives_the_same_archive,
    a_change_of_the_store_is_found_when_a_snapshot_is_made_or_verified,
    a_moment_of_the_past_is_as_it_was_known_then,
    a_snapshot_key_is_named_with_the_days_that_it_signed,
    facts_about_people_can_be_left_out_and_the_rest_verifies,
    what_was_asked_for_on_the_page_is_made_also_after_a_collector_died,
);

conformance!(
    rules, rules_sqlite, rules_postgres_15:
    an_overlay_has_versions_and_each_is_an_act_of_the_log,
    a_rule_that_is_switched_off_for_a_group_ends_its_result_and_its_drift,
    a_host_is_judged_by_the_rules_of_the_group_it_comes_into,
    a_result_that_changes_by_a_move_says_so,
    stored_history_is_judged_again_and_nothing_is_written,
    a_result_is_explained_by_what_the_host_sent,
);

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let store = open(&format!("sqlite:{}", directory.path().join("evidence.db").display())).await;
    cases::a_full_disk_loses_nothing(&store).await;
    store.close().await;
}

conformance!(
    time, time_sqlite, time_postgres_15:
    the_past_shows_what_held_and_what_was_known_of_it,
    rules_groups_and_lives_are_those_of_the_moment,
    gaps_of_a_host_say_when_and_why,
    bodies_are_erased_after_their_time_and_nothing_that_holds,
    an_export_goes_on_at_any_record_as_of_the_same_moment,
);

conformance!(
    records, records_sqlite, records_postgres_15:
    a_record_counts_once_another_approved_it_and_keeps_every_revision,
    a_record_is_found_in_its_isms_and_register_alone,
    a_file_is_kept_with_its_record_and_reached_by_no_other,
    a_file_of_records_is_taken_whole_or_not_at_all,
    what_ends_is_reminded_of_three_times_and_overdue_until_it_is_renewed,
);
