--- @include "lib/tenant/tenant"
-- The holds (nano-USD) of the scope's running calls that were granted in [start, stop), epoch seconds. A call is in
-- `slots` until it ends, also after its lease. Effects: slots without a row are freed.
local function held_between(scope, start, stop)
  local READ_AT_ONCE = 1000
  local sum, key = 0, base .. 'slots:' .. scope
  local ids = redis.call('ZRANGE', key, 1, -1) -- 0 is the MARK
  for i = 1, #ids, READ_AT_ONCE do
    local last = math.min(i + READ_AT_ONCE - 1, #ids)
    for n, packed in ipairs(redis.call('HMGET', calls_key, unpack(ids, i, last))) do
      if not packed then
        redis.call('ZREM', key, ids[i + n - 1])
      else
        local amount, _, granted_at, is_settled, is_posted = unpack(cmsgpack.unpack(packed)) -- lib/rows/call.lua
        if is_settled == 0 and is_posted == 0 and start <= granted_at and granted_at < stop then sum = sum + amount end
      end
    end
  end
  return sum
end
