"""What a Responses request may cost at most, member by member, item by item."""
