--- @include "lib/rows/allowance"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
-- The sum (nano-USD) of the outage allowances of a scope (set_aside.lua); their workers are appended to `holders`.
-- Effects: allowances that are no longer kept are deleted.
local function allowances_of(scope, holders)
  local sum, key = 0, base .. 'aside:' .. scope
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local worker = fields[i]
    local amount, stop = struct.unpack(ALLOWANCE_FORMAT, fields[i + 1])
    if stop > now then
      sum = sum + amount
      holders[#holders + 1] = worker
    elseif worker ~= MARK then
      redis.call('HDEL', key, worker)
    end
  end
  return sum
end
