-- A total of the ledger, as an argument: scope, window, start and stop (epoch s), spent (nano-USD), version, added
-- (nano-USD; -1: unknown), unsettled (nano-USD). Only of rolling windows also: when something returns (epoch s), how
-- much (nano-USD), and the version of the return. Sent by budgets/redis/rows.py: PostRow.
local POST_SCOPE, POST_WINDOW, POST_START, POST_STOP, POST_SPENT, POST_VERSION, POST_ADDED, POST_UNSETTLED,
  POST_RETURN_AT, POST_RETURNED, POST_RETURN_VERSION = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
