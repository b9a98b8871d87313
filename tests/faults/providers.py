"""Faults that real providers bring about: whose fault it is, reasons, additions."""

from __future__ import annotations

ROWS = {
    # Real providers and clients, money and one tenant against all
    "R1 the counter never runs for chat": """
        unit/providers/tokens/prompt_counter::the_counter_counts_and_does_not_fall_back
        unit/providers/tokens/count::pictures_are_not_counted_as_their_base64
        unit/providers/tokens/count::sounds_are_not_counted_as_their_base64
        functional/money/unbounded_requests::a_prompt_is_counted_exactly_and_in_another_process
        functional/money/unbounded_requests::request_that_costs_less_than_a_cent_fits_a_budget_of_a_cent""",
    "R2 a second spelling of the cap": """
        unit/providers/requests/caps_read_twice::a_known_member_in_another_spelling_is_refused
        unit/providers/requests/caps_read_twice::what_could_make_a_server_exceed_the_cap_is_named
        functional/money/output_cap::ambiguous_cap_is_refused_and_costs_nothing""",
    "R3 media that cost more than their bytes": """
        unit/providers/requests/parts::what_only_refers_to_its_content_is_bounded_by_the_window
        functional/money/unbounded_requests::a_reference_is_held_as_a_whole_window""",
    "R4 one prompt's 403 takes a model from everybody": """
        functional/resilience/flagged_prompts::flagged_prompts_block_the_model_for_no_tenant
        unit/providers/blame::what_was_asked_is_refused_with_the_providers_words
        unit/providers/blame::a_firewalls_page_fails_over_and_blames_no_credential
        unit/providers/blame::one_tenants_request_blocks_the_deployment_for_no_other
        unit/providers/blame::an_ambiguous_403_blames_the_credential""",
    "R5 a client that leaves is not noticed": """
        functional/resilience/disconnect_detection::disconnect_is_noticed_for_every_body_size
        functional/resilience/disconnect_detection::disconnect_is_noticed_when_data_was_pipelined""",
    "R6 the caller's own deadline makes calls free": """
        functional/resilience/routing::a_clients_deadline_ends_the_call_and_says_nothing_about_the_provider
        functional/money/unknown_outcomes::a_call_ended_by_its_callers_deadline_is_billed""",
    "R7 answers that were billed are thrown away": """
        functional/money/every_attempt_is_billed::unusable_answer_costs_the_usage_it_reported
        functional/money/every_attempt_is_billed::a_call_without_an_answer_costs_what_its_providers_reported
        unit/providers/usage_before_the_end::an_error_of_http_used_what_it_says
        unit/providers/answers_of_other_shapes::what_a_useless_answer_used_is_read_whatever_its_shape
        functional/resilience/odd_answers::usage_of_an_unusable_answer_is_billed
        functional/resilience/other_forms::incomplete_folded_stream_is_no_answer_and_its_usage_is_billed""",
    "R4 a tenant takes a deployment from others": """
        unit/providers/resilience/tenant_isolation::one_tenants_requests_block_a_deployment_for_no_other
        unit/providers/resilience/tenant_isolation::after_an_outage_one_tenants_failures_block_no_other_tenant
        unit/providers/resilience/tenant_isolation::an_outage_is_known_as_soon_as_others_see_it_too
        unit/providers/resilience/tenant_isolation::a_doubtful_credential_is_proven_by_the_second_tenant
        functional/resilience/failure_attribution::one_tenants_failing_prompts_block_the_model_for_no_other_tenant""",
    # Clients or providers that cannot work
    "B9 stream_options that were not asked for": """
        functional/resilience/failure_attribution::a_stream_option_that_is_refused_is_left_out_and_remembered
        functional/resilience/failure_attribution::refused_stream_option_and_cap_are_both_left_out
        unit/providers/request_additions::a_refused_stream_option_is_left_out
        unit/providers/request_additions::a_row_says_what_is_added
        unit/providers/registry::the_version_of_azure_is_by_default_one_that_takes_what_is_added""",
    "B10 a cap that was not asked for": """
        functional/resilience/failure_attribution::a_cap_that_is_refused_goes_under_its_other_name
        functional/resilience/failure_attribution::a_row_says_that_nothing_is_added
        unit/providers/request_additions::a_refused_cap_goes_under_its_other_name
        unit/providers/request_additions::configured_additions_are_reported
        unit/providers/registry::azures_api_without_dates_gets_the_deployment_name""",
    "B20 402 from the provider": """
        unit/providers/error_table::an_account_without_money_is_the_operators
        functional/resilience/failure_attribution::account_without_credit_fails_over_and_is_rested
        functional/resilience/failure_attribution::without_another_deployment_the_client_gets_a_neutral_message""",
    "B20b a wrong key with status 400": """
        unit/providers/error_table::a_wrong_key_is_the_operators_whatever_the_status
        unit/providers/error_table::words_that_a_client_made_a_provider_repeat_blame_no_key
        unit/providers/error_table::an_error_with_status_200_is_read_too
        functional/resilience/failure_attribution::wrong_provider_key_fails_over_and_is_not_shown_to_clients""",
    "B20c the operator's mistakes as the client's: the model's name, an address, a proxy": """
        unit/providers/error_table::a_model_that_does_not_exist_is_the_operators
        unit/providers/error_table::words_about_a_model_that_exists_are_its_clients
        unit/providers/error_table::a_status_that_no_body_brings_about_may_go_better_elsewhere
        unit/providers/error_table::whatever_the_status_what_it_says_counts
        functional/resilience/failure_attribution::unknown_upstream_model_fails_over_and_rests_nothing
        functional/resilience/failure_attribution::status_that_no_request_causes_fails_over""",
    "B21 the context_window fallback knows OpenAI only": """
        unit/providers/error_table::a_prompt_that_is_too_long_goes_to_the_model_for_it
        unit/providers/error_table::the_first_event_of_a_stream_is_read_as_a_status_is
        unit/providers/error_table::other_errors_go_to_no_wider_model
        functional/resilience/failure_attribution::a_prompt_that_is_too_long_is_answered_by_the_wider_model
        functional/resilience/failure_attribution::a_long_prompt_refused_by_a_streams_first_event_falls_back_too""",
    "B22 capabilities by counting words": """
        unit/providers/requests/needs::words_and_empty_lists_need_nothing
        unit/providers/requests/needs::what_is_really_asked_for_is_needed
        unit/providers/requests/needs::another_spelling_of_a_name_is_the_same_name
        unit/providers/requests/needs::members_about_no_tools_do_not_leave""",
    "B23 first_byte of 30 s": """
        unit/gateway/config/model_catalog::reasoning_models_have_the_time_that_they_need_by_default""",
    "B24 a retry budget keyed by the wrong thing": """
        unit/providers/resilience/retry_budget::with_a_healthy_deployment_standing_by_no_call_fails
        unit/providers/resilience/retry_budget::total_outage_adds_at_most_a_tenth_of_attempts
        unit/providers/resilience/retry_budget::outage_of_one_model_does_not_use_up_the_failover_of_others
        functional/resilience/retry_amplification::outage_is_not_amplified_by_retries""",
    # Operators
    "C26 the provider's reason is lost": """
        unit/providers/errors/exceptions::a_refusal_in_any_envelope_becomes_a_sentence
        functional/resilience/odd_answers::the_reason_reaches_the_operator_whatever_its_shape
        functional/resilience/odd_answers::the_reason_reaches_the_caller_whatever_its_shape
        unit/providers/error_table::a_firewalls_page_reaches_its_sender_without_its_markup
        unit/providers/error_table::a_router_passes_on_what_the_provider_behind_it_said
        unit/providers/error_table::what_is_passed_on_in_itself_is_read_within_bounds""",
    "C34 why a provider fails cannot be found out": """
        functional/api/provider_reasons::operator_can_read_why_an_attempt_failed
        functional/api/provider_reasons::an_attempt_that_never_connected_is_counted_and_reported
        functional/api/provider_reasons::timeout_reason_names_the_timeout
        functional/api/provider_reasons::an_error_in_the_middle_of_a_stream_is_reported
        unit/providers/error_table::a_redirect_error_names_only_its_target""",
    "C35 a 429 about one request": """
        unit/providers/error_table::a_429_about_one_request_reaches_its_sender_in_the_providers_words
        unit/providers/error_table::a_429_about_a_long_prompt_rests_nothing_and_goes_to_the_model_for_it
        functional/api/provider_reasons::a_request_larger_than_a_minutes_limit_explains_why
        functional/api/provider_reasons::all_clients_get_the_same_retry_after
        unit/providers/resilience/tenant_isolation::the_first_caller_gets_the_same_retry_after_as_all_others
        unit/providers/errors/exceptions::retry_after_is_seconds_or_a_date""",
    "C36 the provider's key in an echo": """
        functional/api/provider_reasons::the_providers_key_does_not_come_back_in_an_echo
        unit/providers/error_table::what_an_operator_reads_is_one_short_line_without_the_key""",
}
