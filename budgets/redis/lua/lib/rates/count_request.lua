--- @include "lib/rates/change_second"
--- @include "lib/rates/ring_of"
--- @include "lib/rates/span"
--- @include "lib/tenant/clock"
-- Count one request and its tokens in a scope now. Returns the second in which they are counted. Writes 'ring:'.
local function count_request(scope, tokens)
  local ring, n = ring_of(scope), math.floor(now)
  if ring.hi and ring.hi > n then n = ring.hi end
  if not ring.hi then ring.lo = n - SPAN end
  ring.hi = n
  change_second(ring, n, 1, tokens)
  redis.call('EXPIRE', ring.key, 70) -- seconds
  return n
end
