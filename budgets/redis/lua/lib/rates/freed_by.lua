--- @include "lib/rows/second"
-- The second of a ring (lib/rates/ring_of.lua) that frees `excess` requests, or tokens if `is_tokens`, when it leaves;
-- -1 if the ring is empty.
local function freed_by(ring, excess, is_tokens)
  if not ring.hi then return -1 end
  for n = ring.lo + 1, ring.hi do
    local packed = redis.call('HGET', ring.key, string.format('%.0f', n))
    if packed then
      local requests, tokens = struct.unpack(SECOND_FORMAT, packed)
      excess = excess - (is_tokens and tokens or requests)
      if excess <= 0 then return n end
    end
  end
  return ring.hi
end
