--- @include "lib/rows/call"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/make_parts"
--- @include "lib/tenant/tenant"
-- Renew a running call (its id and its row): its slots for `lease` seconds, its row for `orphan` seconds.
-- Writes life, and slots of its scopes.
local function renew_call(id, row, lease, orphan)
  redis.call('ZADD', life_key, now + orphan, id)
  for i = FIRST, #row, 2 do
    local scope = row[i]
    if make_parts(scope) then redis.call('ZADD', base .. 'slots:' .. scope, now + lease, id) end
  end
end
