--- @include "lib/reply/readings"
--- @include "lib/tenant/clock"
-- Pack the reply (lib/reply/reply.lua) with the rates and the money of the scopes (lib/rows/scope.lua).
local function reply_with_readings(status, detail, scopes)
  local rates, money = readings(scopes)
  return cmsgpack.pack({status, now, instant, detail, rates, money})
end
