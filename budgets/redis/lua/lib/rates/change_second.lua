--- @include "lib/rows/second"
-- Add requests and tokens to second n of a ring (lib/rates/ring_of.lua), and to its sums. Writes 'ring:'.
local function change_second(ring, n, requests, tokens)
  local field = string.format('%.0f', n)
  local packed = redis.call('HGET', ring.key, field)
  local requests_before, tokens_before = 0, 0
  if packed then requests_before, tokens_before = struct.unpack(SECOND_FORMAT, packed) end
  ring.r, ring.t = ring.r + requests, ring.t + tokens
  redis.call('HSET', ring.key, field, struct.pack(SECOND_FORMAT, requests_before + requests, tokens_before + tokens),
    'r', string.format('%.0f', ring.r), 't', string.format('%.0f', ring.t),
    'lo', string.format('%.0f', ring.lo), 'hi', string.format('%.0f', ring.hi))
end
