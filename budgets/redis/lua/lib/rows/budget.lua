-- One budget, as an argument: the name of its window, from when until when that is (epoch s), its limit (nano-USD),
-- since when the window binds calls (epoch s; left out if it is the start). The place of a budget, in replies, is its
-- number over all scopes, from 0. Sent by budgets/redis/rows.py: WindowRow.
local WINDOW, START, STOP, LIMIT, SINCE = 1, 2, 3, 4, 5
