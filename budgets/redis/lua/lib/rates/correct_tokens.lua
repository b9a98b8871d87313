--- @include "lib/rates/change_second"
--- @include "lib/rates/ring_of"
-- Add a difference of tokens to a second of a scope, if it still counts. Writes 'ring:'.
local function correct_tokens(scope, second, tokens)
  local ring = ring_of(scope)
  if tokens ~= 0 and ring.hi and second > ring.lo and second <= ring.hi then change_second(ring, second, 0, tokens) end
end
