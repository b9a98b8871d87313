"""Faults that real clients met."""

from __future__ import annotations

ROWS = {
    "B8 stock Java clients lose their body": """
        unit/gateway/protocol/request_heads::a_request_with_an_offer_keeps_its_body
        unit/gateway/protocol/request_heads::requests_behind_an_offer_are_served_in_their_order
        functional/api/careless_clients::upgrade_offer_does_not_lose_the_body
        contract/other_clients::the_client_of_the_jdk""",
    "C27 chunks to HTTP/1.0": """
        unit/gateway/protocol/lean_cycle::a_client_of_http_1_0_gets_no_chunks
        functional/api/careless_clients::a_stream_to_a_client_of_http_1_0_ends_with_its_connection
        contract/other_clients::curl_of_http_1_0_streams_and_asks_for_heads""",
    "C28 a host with an underscore": """
        functional/api/careless_clients::host_with_an_underscore_is_valid
        functional/api/careless_clients::request_without_host_is_refused_without_a_traceback""",
    "C28b blanks behind a value": """
        functional/api/careless_clients::trailing_blanks_are_no_part_of_a_header_value
        functional/api/careless_clients::host_with_an_underscore_is_valid""",
    "C30 paths": """
        unit/gateway/http/paths::unknown_path_has_a_hint
        functional/api/careless_paths::extra_slashes_are_ignored
        functional/api/careless_paths::unknown_path_is_answered_in_json_with_a_hint""",
    "C31 a proxy that ends TLS": """
        unit/gateway/http/forwarded::a_scheme_is_understood_in_its_usual_forms
        unit/gateway/http/forwarded::the_client_is_the_last_that_no_proxy_of_ours_is
        functional/operations/behind_a_proxy::people_sign_in_through_a_proxy_that_ends_tls
        functional/operations/behind_a_proxy::the_page_of_a_refused_form_names_the_settings""",
    "C37 HEAD, methods of probes, pages of other origins": """
        functional/api/careless_clients::head_is_get_without_its_body
        functional/api/careless_clients::other_methods_are_405_with_the_allowed_methods
        functional/operations/behind_a_proxy::preflight_needs_no_key
        contract/other_clients::a_page_of_another_origin_in_a_browser""",
    "numbers that no model can mean, caps of 0, caps that are lowered": """
        unit/providers/requests/caps_read_twice::a_number_that_no_model_can_mean_is_refused_by_name
        unit/budgets/admission/reserve_steps::cap_of_zero_is_sent_unchanged_and_held_as_no_cap
        functional/hostile/odd_bodies::a_lowered_cap_is_reported_like_a_clamp""",
}
