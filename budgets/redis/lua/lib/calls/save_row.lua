--- @include "lib/tenant/tenant"
-- Write the row (lib/rows/call.lua) of a request id to `calls`.
local function save_row(id, row)
  redis.call('HSET', calls_key, id, cmsgpack.pack(row))
end
