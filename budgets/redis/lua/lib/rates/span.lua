-- How long a second counts from its beginning, in seconds: no 60 s ever hold more than the limit. SPAN_S in
-- budgets/local/sliding_window.py is the same.
local SPAN = 61
