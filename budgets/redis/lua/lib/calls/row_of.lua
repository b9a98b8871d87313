--- @include "lib/tenant/tenant"
-- request id -> its row (lib/rows/call.lua), or false.
local function row_of(id)
  local packed = redis.call('HGET', calls_key, id)
  return packed and cmsgpack.unpack(packed)
end
