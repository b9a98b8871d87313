--- @include "lib/tenant/tenant"
--[[
  The clock of a script, in seconds: that of Redis, or the caller's (arg[2], arg[3]).

  Provides
    now      monotonic, for rates and leases: it never goes back
    instant  epoch time, for windows

  Effects: `seen` and `offset` in meta are advanced, if the clock of Redis is used.
]]
local now, instant = arg[2], arg[3]
if now < 0 then
  local seconds, microseconds = unpack(redis.call('TIME'))
  instant = tonumber(seconds) + tonumber(microseconds) / 1000000
  local seen, offset = tonumber(meta_seen) or 0, tonumber(meta_offset) or 0
  now = instant + offset
  if now < seen then
    offset = offset + seen - now
    now = seen
    redis.call('HSET', meta, 'offset', string.format('%.6f', offset))
  elseif now >= seen + 1 then
    redis.call('HSET', meta, 'seen', string.format('%.6f', math.floor(now)))
  end
end
