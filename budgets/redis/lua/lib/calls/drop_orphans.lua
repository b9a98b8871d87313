--- @include "lib/calls/drop_call"
--- @include "lib/calls/free_slots"
--- @include "lib/calls/row_of"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
-- Drop up to 100 calls whose time in `life` is over (orphans), with their holds and slots. `orphans` in meta counts
-- them.
local function drop_orphans()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', life_key, '-inf', now, 'LIMIT', 0, 100)) do
    local row = row_of(id)
    if row then
      drop_call(id, row)
      free_slots(id, row)
      redis.call('HINCRBY', meta, 'orphans', 1)
    else
      redis.call('ZREM', life_key, id)
    end
  end
end
