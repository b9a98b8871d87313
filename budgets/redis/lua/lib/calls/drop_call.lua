--- @include "lib/calls/count_call"
--- @include "lib/rows/call"
--- @include "lib/tenant/tenant"
-- Remove a call (its id and its row) from the counts of money, from `calls` and `life`; its slots stay.
local function drop_call(id, row)
  if row[IS_SETTLED] == 1 then
    count_call(row, 0, -row[AMOUNT], -row[UNSETTLED])
  else
    count_call(row, -row[AMOUNT], 0)
  end
  redis.call('HDEL', calls_key, id)
  redis.call('ZREM', life_key, id)
end
