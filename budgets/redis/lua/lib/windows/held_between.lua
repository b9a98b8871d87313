--- @include "lib/rows/call"
--- @include "lib/tenant/tenant"
-- The holds (nano-USD) of the scope's running calls that were granted in [start, stop), epoch seconds. A call is in
-- `slots` until it ends, also after its lease. Effects: slots without a row are freed.
local READ_AT_ONCE = 1000

local function held_between(scope, start, stop)
  local sum, key = 0, base .. 'slots:' .. scope
  local ids = redis.call('ZRANGE', key, 1, -1) -- 0 is the MARK
  for i = 1, #ids, READ_AT_ONCE do
    local last = math.min(i + READ_AT_ONCE - 1, #ids)
    for n, packed in ipairs(redis.call('HMGET', calls_key, unpack(ids, i, last))) do
      local row = packed and cmsgpack.unpack(packed)
      if not row then
        redis.call('ZREM', key, ids[i + n - 1])
      elseif row[IS_SETTLED] == 0 and row[IS_POSTED] == 0 and start <= row[GRANTED_AT] and row[GRANTED_AT] < stop then
        sum = sum + row[AMOUNT]
      end
    end
  end
  return sum
end
