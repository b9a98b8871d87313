--[[
  Enters the outage allowances of a worker that cannot send them itself, after a loss of data (set_aside.lua).
  Called by FinalReport.stand_in.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] worker    string   the holder
    [5] keep for  integer  seconds
    [6] amounts   array    {scope, nano-USD, scope, nano-USD ...}

  Reply: status {detail}
    "held"  {}

  Effects: aside:<scope>, the field of the worker; missing parts of a scope are made.
]]
--- @include "lib/reply/reply"
--- @include "lib/rows/allowance"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/make_parts"
--- @include "lib/tenant/tenant"
local worker, keep_for, amounts = unpack(arg, 4)
for i = 1, #amounts, 2 do
  local scope, amount = amounts[i], amounts[i + 1]
  if make_parts(scope) then
    redis.call('HSET', base .. 'aside:' .. scope, worker, struct.pack(ALLOWANCE_FORMAT, amount, now + keep_for))
  end
end
return reply('held', {})
