"""Faults in what is read of providers' answers and streams."""

from __future__ import annotations

ROWS = {
    "B11 lists and objects where text was expected": """
        unit/providers/odd_shapes::an_event_of_any_shape_passes_as_it_came_and_ends_its_choice
        unit/providers/odd_shapes::answer_of_any_shape_is_delivered_and_billed
        unit/providers/odd_shapes::content_has_begun_with_the_first_delta_of_any_kind
        functional/resilience/provider_streams::answer_of_another_shape_is_delivered_and_billed
        functional/resilience/odd_answers::json_values_that_few_readers_accept_are_delivered_unchanged
        functional/resilience/odd_answers::json_values_that_few_readers_accept_are_no_usage""",
    "B12 a member called model is rewritten": """
        unit/providers/odd_shapes::only_the_model_at_the_top_is_replaced
        unit/providers/dialects/openai/model_alias::a_chunk_is_rewritten_whatever_came_before""",
    "B13 streams that the provider cut look finished": """
        unit/providers/ends_of_streams::an_empty_reason_ends_no_choice
        unit/providers/ends_of_streams::all_choices_that_were_asked_for_must_end
        unit/providers/ends_of_streams::a_choice_that_its_server_broke_off_is_not_whole
        unit/providers/streams_of_servers::a_cut_at_any_byte_is_no_whole_answer_or_a_whole_one
        functional/resilience/provider_streams::the_official_client_raises_where_a_choice_has_not_ended""",
    "B14 errors inside a stream pass as success": """
        unit/providers/ends_of_streams::every_shape_of_an_error_is_one
        unit/providers/ends_of_streams::further_shapes_of_errors
        unit/providers/ends_of_streams::an_end_without_any_choice_is_a_failure
        unit/providers/ends_of_streams::error_in_place_of_an_answer_is_recognised_and_its_usage_billed
        functional/resilience/provider_streams::error_before_content_fails_over_whatever_its_shape
        functional/resilience/provider_streams::error_after_content_ends_the_stream_with_an_error_event""",
    "B15 an emoji in two halves": """
        unit/providers/odd_shapes::halves_of_an_emoji_are_joined_by_the_reader
        functional/resilience/provider_streams::the_official_client_reads_an_emoji_in_two_halves""",
    "B16 events over 1 MiB": """
        unit/providers/dialects/lenient/large_events::a_large_event_passes_as_it_came_wherever_it_is_cut
        unit/providers/dialects/lenient/large_events::memory_is_asked_for_before_it_is_taken_and_no_more_than_that_is_kept
        functional/resilience/provider_streams::picture_in_one_event_is_delivered_and_billed""",
    "B17 keep-alive events with empty data": """
        unit/providers/ends_of_streams::empty_error_members_are_no_error
        unit/providers/streams_of_servers::another_framing_changes_nothing""",
    "B18 [DONE] with white space": "unit/providers/ends_of_streams::white_space_around_the_end_is_nothing",
    "B19 the content type byte for byte": """
        unit/providers/kinds_of_bodies::what_begins_as_an_event_stream_is_one
        functional/resilience/provider_streams::stream_is_recognised_whatever_its_content_type
        functional/resilience/other_forms::a_large_answer_in_the_place_of_a_stream_is_its_only_event
        functional/resilience/other_forms::a_stream_in_the_place_of_an_answer_becomes_one
        integration/providers/transport/client_encodings::what_clients_read_directly_is_read""",
    "B19b blanks before an answer": """
        unit/providers/dialects/lenient/large_responses::blanks_that_kept_the_connection_alive_are_no_part_of_it""",
    "C29 usage in other places": """
        unit/providers/dialects/openai/usage_places::usage_is_found_where_it_stands
        unit/providers/dialects/openai/usage_places::of_several_usages_the_largest_numbers_count
        unit/providers/dialects/openai/usage_places::tokens_only_in_the_last_total_count_as_reasoning
        unit/providers/dialects/openai/usage_places::cached_tokens_are_billed_as_cached
        unit/providers/dialects/openai/usage_places::no_input_for_a_prompt_is_no_usage
        functional/resilience/provider_streams::usage_after_the_end_is_billed""",
    "S1 comments before the content": """
        integration/providers/transport/client_waits::events_before_the_content_do_not_end_the_wait_for_it""",
    "S2 text kept for counting": """
        unit/providers/dialects/lenient/large_events::text_is_counted_as_it_passes_in_bounded_memory
        unit/providers/dialects/lenient/large_events::a_stream_keeps_little_of_a_long_answer""",
}
