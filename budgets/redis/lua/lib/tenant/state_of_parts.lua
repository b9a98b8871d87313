--- @include "lib/rows/window"
--- @include "lib/tenant/parts_of"
--- @include "lib/tenant/tenant"
-- scope -> 'whole', 'none' (not made in this generation) or 'broken' (one was lost; closes the tenant). Read once a
-- script; make_parts changes what is kept.
local known_states = {}

local function state_of_parts(scope)
  local found = known_states[scope]
  if not found then
    found = 'whole'
    if tonumber(redis.call('HGET', meta, 'of:' .. scope) or BEFORE) ~= gen then
      found = 'none'
    elseif redis.call('EXISTS', parts_of(scope)) < 5 then
      found = 'broken'
      close_tenant()
    end
    known_states[scope] = found
  end
  return found
end
