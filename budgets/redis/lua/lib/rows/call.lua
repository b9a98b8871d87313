-- A call in `calls`: its amount (nano-USD: the hold, or the cost once it is settled), the tokens that it reserved, when
-- it was granted (epoch s), whether it is settled and posted (0 | 1), its worker; from FIRST on its scopes, each
-- followed by its second in the ring (-1: none). Once it is settled, the unsettled part of its amount (nano-USD) is in
-- the place of the tokens. Sent by budgets/redis/rows.py: CallRow.
local AMOUNT, RESERVED, GRANTED_AT, IS_SETTLED, IS_POSTED, WORKER, FIRST = 1, 2, 3, 4, 5, 6, 7
local UNSETTLED = RESERVED
