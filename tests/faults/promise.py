"""Faults of the promise against the request itself."""

from __future__ import annotations

ROWS = {
    # Money
    "M1 two caps in one request": """
        unit/providers/requests/caps_read_twice::two_caps_that_say_different_numbers_are_refused
        unit/providers/requests/caps_read_twice::what_could_make_a_server_exceed_the_cap_is_named
        unit/providers/requests/caps_inside::a_possible_cap_inside_an_unknown_member_counts_against_the_cap
        functional/money/output_cap::ambiguous_cap_is_refused_and_costs_nothing""",
    "M2 a cap that is known is not sent": """
        functional/money/output_cap::one_cap_reaches_the_provider_under_its_own_name
        functional/money/output_cap::an_unknown_maximum_is_capped_and_reported""",
    "M2 a stream is watched by its events": """
        functional/money/stream_size_limit::a_stream_that_surely_passed_its_cap_is_cut_and_charged_up_to_it
        functional/money/stream_size_limit::a_stream_within_its_cap_is_left_alone_however_it_is_cut_into_events
        unit/providers/usage_before_the_end::thinking_counts_as_produced_under_every_name""",
    "M3 the prompt is never counted": """
        unit/providers/tokens/prompt_counter::the_counter_counts_and_does_not_fall_back
        unit/providers/tokens/prompt_counter::no_union_of_raw_and_none_is_left
        unit/providers/tokens/prompt_counter::fallbacks_are_among_the_metrics""",
    "M3 an estimate as a bound, and phantom refusals": """
        functional/money/unbounded_requests::request_that_costs_less_than_a_cent_fits_a_budget_of_a_cent
        unit/providers/tokens/prompt_counter::only_a_known_tokenizer_counts_for_a_bound
        unit/budgets/admission/holds_cover_bills::no_obedient_provider_bills_more_than_is_held
        functional/money/budget_refusals::with_an_unknown_tokenizer_the_bytes_are_the_estimate""",
    "M3 hole 1, samples": "unit/providers/tokens/prompt_counter::nothing_is_sampled",
    "M3 hole 2, members that are not counted": """
        unit/providers/tokens/prompt_counter::every_member_that_becomes_prompt_is_counted
        unit/providers/requests/members::a_prediction_is_output_beyond_the_cap
        unit/providers/requests/parts::what_only_refers_to_its_content_is_bounded_by_the_window""",
    "M3 tools that a template prints again": """
        unit/providers/requests/letters_that_grow::tools_are_bounded_by_what_templates_print
        unit/providers/requests/letters_that_grow::an_exact_count_is_of_tools_as_they_are_printed""",
    "M3 hole 3, counting that no budget pays for": """
        integration/gateway/inference/token_counter::a_tenant_that_used_its_time_waits_and_others_do_not
        integration/gateway/inference/token_counter::a_count_in_vain_takes_one_request_of_the_rate_and_no_money
        functional/money/unbounded_requests::counting_a_prompt_in_vain_is_charged_to_the_rate""",
    "M3 hole 4, memory of a count": """
        integration/gateway/inference/token_counter::counter_counts_in_a_process_of_its_own
        integration/gateway/inference/token_counter::a_count_ends_when_its_time_is_used
        functional/hostile/event_loop_is_free::a_prompt_that_is_too_long_for_the_model_is_counted_and_refused""",
    "M4 every failure is free": """
        functional/money/unknown_outcomes::an_answer_that_brings_no_usage_counts_up_to_its_bound_until_it_is_settled
        functional/resilience/answer_chaos::the_official_client_raises_and_the_prompt_is_billed_and_the_rest_unsettled
        unit/budgets/unsettled::the_budget_counts_what_providers_bill_and_never_more_than_its_limit
        integration/metering/settlement/late_settlement::usage_not_reported_in_time_is_settled_by_policy""",
    "M4 tries before a success are free": """
        functional/money/every_attempt_is_billed::an_attempt_with_unknown_outcome_costs_its_prompt
        functional/money/every_attempt_is_billed::unusable_answer_costs_the_usage_it_reported
        functional/money/unknown_outcomes::attempt_that_may_be_billed_has_its_own_hold_before_the_next_attempt""",
    "M4 a client disconnects an answer in one piece": """
        functional/money/read_on::usage_of_an_answer_is_billed_exactly_after_disconnect
        functional/money/read_on::embeddings_are_read_to_the_end_after_disconnect
        functional/money/read_on::answer_that_does_not_end_in_time_is_cancelled_and_estimated""",
    "M4 a signal while answers are on their way": """
        functional/money/ledger_durability::long_streams_end_with_a_shutdown_error_and_are_in_the_ledger
        functional/money/read_on::a_shutdown_waits_no_longer_than_its_grace
        functional/operations/worker_shutdown::a_renewal_cuts_no_stream_however_short_the_grace_is""",
    "M5 hanging up before the usage": """
        functional/money/read_on::usage_of_a_finished_stream_is_billed_exactly_after_disconnect
        functional/money/unknown_outcomes::hold_of_a_disconnected_client_stays_unsettled
        unit/providers/usage_before_the_end::the_last_word_of_a_finished_stream_is_waited_for
        unit/providers/usage_before_the_end::what_came_before_the_end_is_not_the_last_word""",
    "M6 inputs by reference": """
        unit/providers/requests/parts::what_only_refers_to_its_content_is_bounded_by_the_window
        unit/providers/requests/parts::a_picture_counts_however_its_part_is_written
        unit/providers/requests/parts::the_largest_picture_is_bounded_by_the_family
        functional/money/unbounded_requests::a_reference_is_held_as_a_whole_window""",
    "M6 media that are called otherwise": """
        unit/providers/requests/hidden_sizes::a_picture_that_is_called_otherwise_is_bounded_by_the_window
        unit/providers/requests/hidden_sizes::a_sound_that_is_called_otherwise_is_bounded_by_the_window
        unit/providers/requests/hidden_sizes::a_png_that_says_its_size_twice_is_the_largest
        unit/providers/requests/hidden_sizes::a_head_of_a_wav_that_contradicts_itself_bounds_nothing""",
    "M6 short sounds": "unit/budgets/media_bounds::a_short_sound_is_counted_as_the_models_shortest_span",
    "M6 templates, and media in echoes": """
        unit/providers/requests/templates::variables_that_set_the_template_are_bounded_by_the_window
        unit/providers/requests/echoes::an_echo_that_holds_a_picture_sound_or_film_is_bounded_by_the_window""",
    "M6 objects of other tenants": """
        unit/providers/requests/parts::an_object_of_the_shared_account_is_refused
        unit/providers/requests/parts::an_earlier_answers_sound_is_refused
        unit/providers/requests/members::an_unknown_member_names_no_object_of_the_shared_account
        unit/providers/requests/members::an_object_is_not_hidden_by_how_it_is_written""",
    "M7 members with a price, or a destination": """
        unit/providers/requests/members::a_feature_with_a_price_of_its_own_needs_that_price
        unit/providers/requests/members::where_a_call_goes_only_the_gateway_decides
        unit/providers/requests/members::an_unknown_member_needs_a_known_window
        unit/catalog/pricing/price_terms::tier_and_place_are_those_that_the_answer_reports
        functional/money/unbounded_requests::member_that_names_a_destination_is_refused_for_all_tenants""",
    "M8 zeros for an answer": """
        functional/money/stream_size_limit::zero_usage_of_a_non_empty_answer_counts_as_missing
        unit/metering/reported_usage::a_usage_that_cannot_be_true_is_counted_and_unsettled
        unit/providers/usage_before_the_end::an_answer_of_other_things_than_text_is_not_empty""",
    "M8 half a price": """
        functional/money/unbounded_requests::model_with_half_a_price_is_unpriced
        unit/catalog/pricing/prices::a_model_is_unpriced_when_no_rate_applies_to_its_type""",
    "M8 more reported than the cap": """
        functional/money/output_cap::usage_above_the_cap_is_disputed_and_not_charged
        unit/metering/reported_usage::no_kind_of_output_is_charged_beyond_the_cap""",
    "M8 (L4) questions sent again unseen": """
        integration/providers/transport/client_kept::request_that_was_read_is_not_sent_again
        functional/money/every_attempt_is_billed::request_lost_on_a_kept_connection_is_an_attempt_in_the_row""",
    "M8 (L2) a text that makes a row invalid": """
        integration/metering/hostile_texts::every_text_in_every_field_is_a_row_with_its_documents
        integration/metering/hostile_texts::a_row_that_is_refused_is_written_without_its_documents_and_counted""",
    "M9 rolling budgets that do not roll": """
        integration/metering/rolling_budgets::what_was_spent_on_the_last_day_of_a_period_is_not_free_on_the_next
        integration/metering/rolling_budgets::random_calls_over_random_days_are_decided_like_a_list_of_them
        integration/metering/rolling_budgets::a_budget_made_in_the_middle_counts_the_days_before_it
        unit/budgets/admission/budget_windows::a_rolling_window_is_its_last_day_and_those_before
        unit/budgets/admission/budget_windows::windows_begin_and_end_at_local_midnights""",
    "M10 sent twice, counted once": """
        unit/providers/requests/caps_read_twice::a_key_that_is_twice_is_sent_once_as_it_was_counted
        unit/providers/requests/caps_read_twice::a_key_that_is_twice_in_a_message_or_tool_is_refused
        unit/providers/requests/members::an_object_is_not_hidden_by_how_it_is_written
        unit/providers/requests/layout::replaced_members_are_there_once_and_the_others_stay""",
    # Nothing hangs
    "D1 a quadratic pattern on the loop": """
        unit/providers/requests/parts::a_run_of_letters_costs_what_any_text_of_its_size_does
        unit/providers/requests/parts::a_long_unknown_name_is_refused_before_it_is_searched
        functional/hostile/event_loop_is_free::a_body_that_is_not_large""",
    "D1 work of a stranger's size on the loop": """
        functional/hostile/event_loop_is_free::a_long_body_is_served
        functional/hostile/event_loop_is_free::a_body_that_is_slow_for_its_size
        functional/hostile/event_loop_is_free::with_an_idempotency_key
        functional/hostile/event_loop_is_free::an_answer_of_any_kind
        unit/gateway/server/loop_watchdog::a_real_stall_is_counted_and_its_stack_is_logged""",
    "D2 strangers' passwords": """
        functional/hostile/sign_in_abuse::sign_ins_beyond_the_hashing_capacity_are_refused
        unit/tenants/sign_in/password_hasher::no_more_than_two_are_hashed_at_a_time_and_ten_are_wanted
        unit/tenants/sign_in/password_hasher::the_parameters_are_those_that_were_decided
        functional/operations/admin_addr::a_flood_of_sign_ins_takes_nothing_from_calls""",
    "D3 memory bombs": """
        functional/hostile/event_loop_is_free::a_hostile_body_is_refused
        functional/hostile/event_loop_is_free::embeddings_of_any_kind
        unit/gateway/parsing/body_limits::the_last_that_fits_passes_and_the_next_is_refused
        unit/providers/json_scan/outline::each_limit_holds_however_it_is_written""",
    "D4 one stranger, all descriptors": """
        functional/hostile/hostile_crowds::one_unauthenticated_client_cannot_take_all_descriptors
        functional/hostile/hostile_crowds::unauthenticated_clients_of_many_addresses_cannot_take_all_descriptors
        functional/hostile/hostile_crowds::the_limit_of_open_files_is_raised_at_the_start
        unit/gateway/protocol/connection_limits::the_counts_always_match_the_open_connections""",
    "D5 (E1) stored answers without a bound": """
        functional/money/idempotency_quotas::answer_beyond_the_quota_is_not_replayed_and_its_call_is_made_once
        integration/gateway/idempotency/rows::bytes_are_kept_up_to_the_quota_and_no_further
        integration/gateway/idempotency/rows::answers_are_counted_too""",
    "D5 handshakes and paths in the log": """
        functional/hostile/request_heads::websocket_handshake_at_an_unknown_path_ends_without_a_traceback
        functional/hostile/request_heads::long_path_is_cut_in_the_log_and_adds_no_line""",
    "D5 (P2) a late Redis": """
        unit/budgets/redis/client/patience::a_network_that_becomes_slow_causes_no_refusal
        unit/budgets/redis/client/patience::a_distant_redis_causes_no_refusal_from_the_first_command_on""",
    "D5 (E3) calls cut by a stop or a renewal": """
        functional/operations/shutdown::running_calls_finish_within_the_grace_and_no_new_one_is_taken
        functional/operations/worker_shutdown::a_renewal_cuts_no_stream_however_short_the_grace_is
        unit/gateway/supervisor/shutdown::a_replaced_worker_waits_until_it_is_idle
        unit/gateway/supervisor/shutdown::the_grace_is_long_enough_for_usual_calls""",
    "D5 (E5) guesses that shut out valid keys": """
        functional/hostile/key_guessing::a_valid_key_is_served_while_other_clients_guess_and_every_guess_is_refused
        unit/tenants/keys_seen_first::valid_key_that_was_never_seen_is_accepted
        unit/tenants/keys_seen_first::rotated_secret_is_accepted""",
    # Access
    "A1 a pickle in the cache": """
        integration/gateway/stored_values::a_pickle_in_the_cache_runs_nothing
        integration/gateway/stored_values::a_pickle_in_the_file_of_beat_runs_nothing
        functional/hostile/sign_in_abuse::hostile_values_in_redis_run_nothing_and_break_no_sign_in
        integration/gateway/messages_are_signed::celery_workers_take_no_orders_over_redis""",
    "A1 a Redis without password or TLS": """
        unit/gateway/config/checks/weak_secrets::a_redis_of_another_machine_needs_password_and_tls_in_production""",
    "A1 messages that any process may send": """
        integration/budgets/redis/client/channel::forged_messages_are_ignored_and_counted
        integration/gateway/messages_are_signed::forged_announcements_are_ignored_counted_and_logged_once""",
    "A2 a stored key follows its row": """
        integration/catalog/secret_bound_to_its_destination::a_form_that_changes_the_origin_needs_the_key_typed_again
        integration/catalog/secret_bound_to_its_destination::a_row_changed_in_the_database_does_not_open_its_key
        integration/catalog/secret_bound_to_its_destination::a_ciphertext_of_another_row_does_not_open
        unit/catalog/secrets/sealing::a_secret_does_not_open_for_another_row_origin_or_key""",
    "A3 data_dir that others read": """
        integration/gateway/server/data_dir::serve_creates_private_files_and_refuses_what_it_cannot_make_so
        integration/gateway/server/data_dir::files_are_private_whichever_command_creates_them
        integration/gateway/server/data_dir::existing_data_dir_and_its_files_become_private
        integration/gateway/site/session_store::session_values_in_the_database_sign_no_user_in""",
    "A4 a throttle that fails open": """
        functional/hostile/sign_in_abuse::while_redis_is_away_each_worker_counts_and_denies
        functional/hostile/sign_in_abuse::several_workers_share_the_limit_while_redis_is_away""",
    "A4 a throttle that counts late": """
        functional/hostile/sign_in_abuse::concurrent_guesses_get_no_more_attempts_than_the_limit
        integration/tenants/sign_in/attempt_counters::of_concurrent_attempts_no_more_than_the_limit_pass
        functional/hostile/sign_in_abuse::another_spelling_of_an_account_is_no_other_account""",
    "A5 staff who make themselves superusers": """
        integration/gateway/privilege_escalation::a_crafted_form_sets_no_flag
        integration/gateway/privilege_escalation::a_crafted_form_grants_no_group_or_permission
        integration/gateway/privilege_escalation::the_password_of_another_member_of_staff_is_not_touched""",
    "A6 secrets in the words of providers": """
        unit/providers/errors/redaction::a_secret_is_taken_out_by_its_value_however_it_is_written
        unit/providers/errors/redaction::internal_names_are_shown_to_operators_and_not_to_tenants
        integration/providers/secrets_in_providers_words::a_refusal_that_repeats_the_key_is_passed_on_without_it""",
    "A7 probes of names that flip": """
        integration/catalog/health/probes_are_guarded::a_name_that_flips_after_the_check_reaches_nothing_inside
        integration/catalog/health/probes_are_guarded::a_redirect_inside_is_not_followed""",
    "A7 addresses that are let through": """
        unit/providers/egress::what_is_not_given_out_as_public_is_inside
        unit/providers/egress::addresses_inside_the_network_are_refused""",
    "A7 a token in a cookie": """
        integration/gateway/tokens_are_in_no_cookie::a_new_token_is_shown_once_and_kept_sealed_until_then""",
    "A7 lists as oracles": """
        integration/gateway/lists_are_no_oracle::a_secret_column_cannot_be_compared
        integration/gateway/lists_are_no_oracle::no_other_door_compares_a_secret
        integration/gateway/lists_are_no_oracle::patterns_do_not_run_in_the_database""",
    "A7 details for strangers": """
        unit/gateway/site/internal_access::others_do_not_see_them_without_the_token
        unit/gateway/site/internal_access::request_through_a_local_proxy_is_not_local
        unit/gateway/site/internal_access::a_foreign_host_name_does_not_show_internal_pages
        functional/hostile/unauthenticated_abuse::readiness_details_are_hidden_from_external_clients""",
    "A7 sessions and pages": """
        integration/gateway/site/session_expiry::a_session_ends_an_hour_after_the_last_page
        integration/gateway/site/session_expiry::where_cookies_are_secure_they_belong_to_this_very_host
        integration/gateway/site/session_expiry::pages_over_tls_say_so_for_a_year_and_others_do_not
        integration/gateway/page_policy::a_page_forbids_what_is_inline_and_needs_none""",
    "A7 weak secrets in production": """
        unit/gateway/config/checks/weak_secrets::a_weak_key_is_refused_in_production_and_warned_of_elsewhere
        unit/gateway/config/checks/weak_secrets::a_weak_password_is_refused_in_production_and_warned_of_elsewhere
        unit/gateway/config/checks/weak_secrets::the_demo_is_refused_in_production_and_says_so_where_the_network_reaches_it""",
    "A7 heads that two servers read differently": """
        functional/hostile/request_heads::an_ambiguous_head_is_refused_and_its_connection_closed
        unit/gateway/http/head_rules::a_head_is_sound_or_refused
        functional/hostile/hostile_connections::ambiguous_request_is_refused""",
    "A7 a prompt cache that tenants share": """
        unit/providers/tenant_salt::the_same_name_of_two_tenants_is_salted_differently
        functional/api/tenant_isolation::same_prompt_of_two_tenants_is_in_two_prompt_caches""",
    "A7 packages of the server": "architecture/locks::serving_needs_few_packages_and_each_states_its_reason",
    # Crashes and stores
    "L1 marks that count events": """
        unit/metering/marks::a_mark_counts_events_and_bytes
        unit/metering/marks::an_event_of_any_size_is_marked_while_it_comes
        integration/metering/ledger/crash_recovery::the_output_of_a_crashed_stream_is_billed_by_its_size""",
    "L3 a key that is free after a kill": """
        functional/money/idempotency_crash::call_made_before_a_crash_is_not_made_again
        integration/gateway/idempotency/rows::a_key_is_free_only_if_its_call_was_not_made""",
    "L3 a lease that ran out": """
        integration/gateway/idempotency/rows::a_key_is_not_free_while_its_owner_lives_however_late_its_lease
        unit/gateway/idempotency/store_late::an_answer_that_could_not_be_stored_keeps_its_claim_until_known""",
    "P1 a Redis that evicts": "integration/budgets/redis/eviction::a_redis_that_evicts_is_not_used",
    "P1 a Redis that forgets a part": """
        integration/budgets/redis/partial_loss::no_overspend_when_keys_of_a_kind_are_deleted
        integration/budgets/redis/partial_loss::no_overspend_whatever_keys_are_deleted
        integration/budgets/redis/partial_loss::state_is_recovered_to_the_last_cent
        integration/metering/reconciliation/redis::calls_in_the_ledger_but_not_in_redis_are_reported""",
    "P1 killed just after the answer": """
        integration/metering/ledger/crash_recovery::received_answer_is_billed_by_its_usage
        functional/money/idempotency_crash::call_made_before_a_crash_is_not_made_again""",
    # Known weaknesses
    "W1 a question retried after a reset": """
        integration/providers/transport/client_kept::nothing_is_sent_again_without_the_kernels_acknowledgement_count
        integration/providers/transport/client_kept::large_request_that_was_read_in_part_is_not_sent_again
        integration/providers/transport/client_kept::a_connection_that_has_ended_by_then_is_not_used""",
    "W2 a revoked key while the stores are out": """
        functional/operations/revoke::a_running_stream_of_a_key_that_is_denied_here_ends_whatever_the_database_says
        integration/gateway/revoke_here::the_prefix_is_denied_however_it_is_given
        unit/tenants/api_keys/deny_list::another_process_sees_what_was_added""",
    "W3 a Redis that is later than 30 ms": """
        unit/budgets/redis/client/patience::the_usual_wait_is_four_times_the_usual_way
        unit/budgets/redis/client/patience::a_redis_that_is_gone_is_waited_for_once""",
    "W4 killed between an answer and its end": """
        integration/metering/ledger/crash_recovery::received_answer_is_billed_by_its_usage
        integration/metering/ledger/crash_recovery::what_a_killed_call_may_have_used_beyond_its_estimate_is_unsettled""",
    "W5 budgets of retries for each worker": """
        unit/providers/resilience/circuit_breaker::the_retry_budget_allows_a_tenth_of_the_answers_and_three_a_second
        functional/resilience/retry_amplification::outage_is_not_amplified_by_retries""",
    "W6 the last of a budget after a death": """
        functional/operations/worker_shutdown::the_journal_of_a_dead_worker_is_adopted_without_a_query_for_its_calls
        integration/gateway/supervisor/supervisor_signals::a_live_worker_is_notified_at_once_of_a_crashed_one""",
    "W7 lost data while a worker is cut off": """
        integration/budgets/redis/admission_losses::nothing_is_granted_before_a_disconnected_worker_has_reported_its_holds
        integration/budgets/redis/admission_losses::recovery_does_not_wait_for_a_worker_proven_dead
        integration/budgets/redis/admission_losses::tenants_without_budget_get_this_workers_share_of_the_rates_meanwhile""",
}
