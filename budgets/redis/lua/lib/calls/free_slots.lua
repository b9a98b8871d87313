--- @include "lib/rows/call"
--- @include "lib/tenant/tenant"
-- Remove a call (its id and its row) from the slots of its scopes.
local function free_slots(id, row)
  for i = FIRST, #row, 2 do redis.call('ZREM', base .. 'slots:' .. row[i], id) end
end
