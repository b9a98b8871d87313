--- @include "lib/rates/span"
--- @include "lib/rows/second"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
--[[
  scope -> its ring, without the seconds that are older than SPAN; read once a script.

  The rates of a scope: in 'ring:' one field for each second (lib/rows/second.lua), their sums r (requests) and t
  (tokens), and their range (lo, hi]; lo and hi are missing while it is empty.

  Effects: seconds that are too old leave the ring.
]]
local rings = {}

local function ring_of(scope)
  local ring = rings[scope]
  if ring then return ring end
  local key = base .. 'ring:' .. scope
  local r, t, lo, hi = unpack(redis.call('HMGET', key, 'r', 't', 'lo', 'hi'))
  ring = {key = key, r = tonumber(r) or 0, t = tonumber(t) or 0, lo = tonumber(lo), hi = tonumber(hi)}
  rings[scope] = ring
  local gone = math.floor(now) - SPAN
  if not ring.hi or gone <= ring.lo then return ring end
  if gone >= ring.hi then
    redis.call('DEL', key)
    ring.r, ring.t, ring.lo, ring.hi = 0, 0, nil, nil
    return ring
  end
  local seconds = {}
  for n = ring.lo + 1, gone do seconds[#seconds + 1] = string.format('%.0f', n) end
  for _, packed in ipairs(redis.call('HMGET', key, unpack(seconds))) do
    if packed then
      local requests, tokens = struct.unpack(SECOND_FORMAT, packed)
      ring.r, ring.t = ring.r - requests, ring.t - tokens
    end
  end
  redis.call('HDEL', key, unpack(seconds))
  ring.lo = gone
  redis.call('HSET', key, 'r', string.format('%.0f', ring.r), 't', string.format('%.0f', ring.t),
    'lo', string.format('%.0f', gone))
  return ring
end
