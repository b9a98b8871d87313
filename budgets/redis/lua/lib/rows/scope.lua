-- The rules of one scope, as an argument: its name, requests and tokens a minute, parallel calls (-1: unlimited), its
-- budgets (lib/rows/budget.lua). Sent by budgets/redis/rows.py: ScopeRow.
local SCOPE, REQUESTS, TOKENS, PARALLEL, BUDGETS = 1, 2, 3, 4, 5
