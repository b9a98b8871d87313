"""Faults that operators met."""

from __future__ import annotations

ROWS = {
    "C24 a key with a line end or a byte order mark": """
        unit/gateway/config/normalization::a_key_in_the_file_is_stripped_with_a_warning
        unit/gateway/config/normalization::a_variable_is_named_wherever_it_is_used
        unit/gateway/config/normalization::a_key_that_no_header_can_carry_disables_its_row
        integration/catalog/row_problems::a_key_pasted_with_a_line_end_is_stored_without_it""",
    "C25 readyz does not know Redis, and its workers disagree": """
        functional/operations/store_health::a_redis_that_lets_no_call_through_makes_every_worker_unready
        functional/operations/store_health::a_redis_that_takes_no_writes_is_known_from_the_first_call_on
        functional/operations/store_health::every_worker_reports_a_postgres_outage_and_its_lag_in_few_log_lines
        functional/operations/store_health::a_start_waits_for_redis_and_says_why_and_gives_up
        unit/gateway/supervisor/worker_state::calls_are_admitted_by_redis_by_the_outage_allowance_or_without_budget""",
    "C28 a Host with an underscore": """
        unit/gateway/observability/log_folding::hosts_that_are_refused_do_not_flood_the_log""",
    "C32 a NUL in addresses of the back office": """
        integration/gateway/nul::an_address_with_a_nul_is_400
        integration/gateway/nul::a_form_with_a_nul_is_400""",
    "C37 an endpoint with quotes and blanks around it": """
        unit/gateway/config/normalization::an_endpoint_with_quotes_and_blanks_around_it_is_that_endpoint""",
    "O1 rows that cannot work are told by serve alone": """
        integration/catalog/row_problems::check_says_before_the_first_start_why_a_row_cannot_serve
        integration/catalog/row_problems::check_says_why_a_row_of_the_back_office_cannot_serve
        functional/operations/configuration_mistakes::readyz_and_check_and_the_log_say_why""",
    "O2 keys without effect": """
        unit/gateway/config/no_effect::a_key_without_effect_is_warned_of
        unit/gateway/config/no_effect::every_key_is_read_by_the_program_or_is_in_the_table
        unit/gateway/config/reference::what_has_no_effect_yet_is_marked_and_nothing_else_is""",
    "O3 a changed secret orphans every key": """
        integration/gateway/server/known_secret::another_secret_is_refused_with_its_remedies_while_there_are_keys
        integration/gateway/server/known_secret::no_command_makes_keys_with_another_secret""",
    "O4 log storms": """
        unit/gateway/observability/log_folding::a_store_that_is_away_is_one_line_of_a_kind_with_its_reason
        unit/gateway/observability/log_folding::a_defect_shows_its_traceback_once_and_its_line_each_time""",
    "O5 starts and ends with a traceback": """
        functional/money/client_interrupts::an_interrupt_during_imports_ends_cleanly
        functional/money/client_interrupts::an_interrupted_migration_is_continued_by_the_next_start
        functional/money/client_interrupts::an_interrupt_while_waiting_for_a_store_ends_cleanly
        functional/operations/startup::a_ram_disk_is_exit_code_2_before_anything_is_made_there""",
    "O6 the demo's secrets off loopback": """
        unit/gateway/config/checks/weak_secrets::the_published_demo_is_refused_where_the_network_reaches_it
        integration/gateway/commands_of_operators::the_demos_secrets_in_the_database_are_refused_where_others_reach_them
        integration/gateway/commands_of_operators::the_welcome_shows_no_key_that_does_not_work""",
    "O7 ready without a model": """
        functional/operations/first_steps::printed_steps_lead_from_nothing_to_the_first_call
        functional/operations/first_steps::models_that_cannot_answer_make_nothing_ready
        unit/gateway/supervisor/worker_state::models_are_counted_that_can_answer""",
    "O8 addresses that are taken apart wrongly, and passwords shown by it": """
        unit/gateway/config/checks/store_urls::an_address_of_postgres_is_refused_in_words_that_show_nothing_of_it
        unit/gateway/config/checks/store_urls::an_address_of_redis_is_refused_in_words_that_show_nothing_of_it
        unit/gateway/config/addresses::a_row_says_so_and_disables_only_itself
        unit/gateway/config/addresses::invalid_address_outside_the_catalog_stops_the_start""",
    "O9 a Redis that check calls good and calls cannot use": """
        integration/budgets/redis/client/tls::a_server_trusted_by_the_address_is_connected
        integration/gateway/stores/redis_check::redis_user_without_the_rights_that_calls_need_is_reported
        integration/gateway/stores/redis_check::replica_is_reported_as_a_replica
        integration/gateway/celery_broker::a_socket_is_a_broker_too""",
}
