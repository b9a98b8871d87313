--- @include "lib/rows/allowance"
--- @include "lib/rows/window"
--- @include "lib/tenant/parts_of"
--- @include "lib/tenant/state_of_parts"
--- @include "lib/tenant/tenant"
-- Make the parts of a scope if there are none in this generation. Returns whether they are complete.
-- Writes money, owed, unsure, aside and slots of the scope, and `of:<scope>` in meta.
local function make_parts(scope)
  if state_of_parts(scope) == 'none' then
    local money, owed, slots, aside, unsure = parts_of(scope)
    redis.call('UNLINK', money, owed, slots, aside, unsure)
    redis.call('HSET', money, MARK, struct.pack(WINDOW_FORMAT, 0, 0, 0, BEFORE, 0, 0, BEFORE, BEFORE, BEFORE))
    redis.call('HSET', owed, MARK, 0)
    redis.call('HSET', unsure, MARK, 0)
    redis.call('HSET', aside, MARK, struct.pack(ALLOWANCE_FORMAT, 0, 0))
    redis.call('ZADD', slots, '-inf', MARK)
    redis.call('HSET', meta, 'of:' .. scope, string.format('%.0f', gen))
    known_states[scope] = 'whole'
  end
  return known_states[scope] == 'whole'
end
