--- @include "lib/tenant/clock"
--[[
  Packs the reply of a script: one msgpack array {status, now, instant, detail, rates, money}. Decoded by
  budgets/redis/replies.py.

  status  string
  detail  array; each script describes its statuses and their details
  rates, money  empty here; lib/reply/reply_with_readings.lua fills them
]]
local function reply(status, detail)
  return cmsgpack.pack({status, now, instant, detail, {}, {}})
end
