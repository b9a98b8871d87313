-- How a second of the ring is packed: its requests and its tokens.
local SECOND_FORMAT = '<dd'
