--- @include "lib/tenant/make_parts"
--- @include "lib/tenant/tenant"
-- Add nano-USD to one field of 'owed:' or 'unsure:' (`hash`) of a scope (lib/windows/quarter.lua). Fields of 0 are
-- deleted.
local function add_to_quarter(hash, scope, field, amount)
  local key = base .. hash .. scope
  if make_parts(scope) and redis.call('HINCRBY', key, field, amount) == 0 then redis.call('HDEL', key, field) end
end
