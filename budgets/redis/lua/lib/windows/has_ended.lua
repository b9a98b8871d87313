--- @include "lib/rows/budget"
--- @include "lib/tenant/clock"
-- Whether by the clock of Redis another window counts than that of a budget (lib/rows/budget.lua).
local function has_ended(budget)
  return instant < (budget[SINCE] or budget[START]) or instant >= budget[STOP]
end
