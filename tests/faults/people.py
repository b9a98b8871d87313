"""Faults in what people read: messages, and the administration."""

from __future__ import annotations

ROWS = {
    "T1 why no provider answered": """
        functional/api/request_log::call_that_never_reached_a_provider_has_its_attempts
        unit/metering/explain/refusal_story::a_call_that_reached_no_provider_lists_its_attempts""",
    "T2 rows that cannot work are accepted": """
        functional/operations/configuration_mistakes::readyz_and_check_and_the_log_say_why
        functional/operations/configuration_mistakes::the_back_office_says_why""",
    "T3 settings without effect are accepted": "unit/gateway/config/no_effect::a_key_without_effect_is_warned_of",
    "T4 weak secrets": """
        unit/gateway/config/checks/weak_secrets::a_weak_key_is_refused_in_production_and_warned_of_elsewhere
        unit/gateway/config/checks/weak_secrets::a_weak_password_is_refused_in_production_and_warned_of_elsewhere""",
    "T5 published secrets for the whole network": """
        unit/gateway/config/checks/weak_secrets::serve_refuses_the_demo_at_an_address_that_others_reach_and_nowhere_else""",
    "T6 an unknown model": """
        functional/api/error_messages::wrong_name_error_suggests_the_right_one
        functional/api/error_messages::forbidden_models_are_not_suggested
        unit/catalog/routing/similar_names::a_near_name_is_found
        unit/catalog/routing/similar_names::name_that_is_like_no_other_has_no_suggestion""",
    "T7 a path without /v1": "unit/gateway/http/paths::unknown_path_has_a_hint",
    "T8 the wrong endpoint": "functional/api/error_messages::wrong_endpoint_error_names_the_right_one",
    "T9 units and separators": """
        functional/api/error_messages::a_wrong_body_is_explained_in_words_of_json
        functional/api/error_messages::a_rate_refusal_has_units_and_separators
        unit/gateway/values/quantities::a_size_is_said_exactly
        unit/gateway/values/quantities::a_wait_is_never_said_too_short""",
    "T10 a phantom refusal of a rate": """
        functional/api/error_messages::a_cap_above_the_models_own_reserves_no_more_than_that""",
    "T12 ready without a model": "functional/operations/first_steps::models_that_cannot_answer_make_nothing_ready",
    "T13 internal words at the start": """
        functional/operations/first_steps::printed_steps_lead_from_nothing_to_the_first_call""",
    "T15 overhead of streams": "functional/api/call_times::times_of_a_call_fit_its_total_and_agree_everywhere",
    "U1 a refused call cannot be found": """
        functional/api/request_log::budget_refusal_has_its_amounts_and_what_made_it_expensive
        functional/api/request_log::a_refusal_for_a_rate_says_which_limit
        functional/api/request_log::every_other_refusal_is_found_with_its_key_and_its_tenant
        functional/api/request_log::a_revoked_key_is_named_and_its_tenant_too""",
    "U2 prices without a unit": """
        integration/gateway/back_office_models::every_field_of_a_price_has_its_unit
        integration/gateway/back_office_models::the_price_in_force_is_on_the_pages_of_model_and_deployment""",
    "U3 budgets without money": """
        functional/money/budget_pages::every_list_shows_spent_held_and_left_while_a_call_runs
        integration/budgets/back_office/spending::the_window_that_counts_now_is_read_in_the_owners_zone
        integration/budgets/back_office/spending::any_number_of_budgets_is_one_query""",
    "U4 help eaten as markup": """
        integration/gateway/back_office_everywhere::no_help_is_eaten_as_markup
        integration/gateway/back_office_words::a_schedule_is_chosen_and_its_days_are_a_number""",
    "U5 three clocks": """
        functional/api/call_times::times_of_a_call_fit_its_total_and_agree_everywhere
        functional/api/call_times::embeddings_and_metrics_report_the_same_times""",
    "U6 a search without an index": """
        integration/gateway/call_lists::what_is_searched_and_filtered_is_found_by_an_index
        integration/gateway/back_office_everywhere::lists_that_grow_find_an_index_for_every_query""",
    "U7 10,000 of 200,160": """
        integration/gateway/call_lists::a_count_that_stopped_says_so
        integration/gateway/back_office_trail::a_long_list_shows_more_than_the_counted_number""",
    "U8 times without seconds and zone": """
        integration/gateway/call_lists::list_shows_id_and_time_with_seconds_and_zone""",
    "U9 capitalised names": """
        integration/gateway/back_office_everywhere::labels_are_spelled_right_and_names_are_shown_as_they_are""",
    "U10 revoking without a question": """
        integration/gateway/back_office_keys::a_key_is_revoked_on_its_own_page_after_a_question
        integration/gateway/back_office_keys::several_keys_are_revoked_from_the_list_and_each_is_reported
        integration/gateway/back_office_keys::a_key_in_force_is_not_deleted_and_a_revoked_one_may_be
        integration/gateway/back_office_keys::suspending_asks_for_confirmation_and_reports""",
    "U11 models that do not exist": """
        integration/gateway/back_office_models::models_that_do_not_exist_are_refused
        integration/gateway/back_office_models::a_key_is_not_given_what_its_tenant_may_not_use""",
    "U12 saved without a price": """
        integration/gateway/back_office_models::saving_what_would_not_serve_says_so_at_once
        integration/gateway/back_office_models::providers_that_are_not_built_are_not_offered""",
    "U13 names of constraints": """
        integration/gateway/back_office_words::a_violated_constraint_is_reported_in_plain_words
        integration/gateway/back_office_words::what_there_is_already_is_not_added_again_on_its_owners_page""",
    "U14 an audit trail without names": """
        integration/gateway/back_office_trail::the_trail_names_its_objects_and_shows_what_changed
        integration/gateway/back_office_trail::history_is_that_of_the_trail""",
    "U15 alerts and scopes that are not there": "integration/gateway/back_office_models::only_what_there_is_is_offered",
    "U16 a path without /v1 at the provider": """
        unit/providers/absence::404_that_names_a_model_is_blamed_on_the_model
        unit/providers/absence::other_404_is_blamed_on_the_path""",
    "U17 a price on one side": """
        functional/api/why_passed_over::the_fault_of_a_key_and_the_missing_side_of_a_price_are_reported""",
    "U18 asked although it rested": """
        unit/metering/explain/story::a_deployment_that_was_asked_although_it_rested_is_not_said_to_be_left_out""",
    "U19 a start that waits": """
        unit/gateway/server/startup_responder::responder_names_the_awaited_store_and_gives_insiders_the_reason
        unit/gateway/server/startup_responder::a_browser_gets_a_page_without_scripts
        functional/operations/postgres_outage::a_start_without_redis_begins_with_the_reason""",
}
