--- @include "lib/rows/window"
--- @include "lib/tenant/state_of_parts"
--- @include "lib/tenant/tenant"
--[[
  scope -> its windows of this generation by name; read once a script.

  There is one hash for each scope, and one field for each window:
    held, settled      the sums of the rows in `calls` (nano-USD)
    spent              the ledger's total at `version`, plus the amounts of posts that are `ahead` of a missing one (by
                       version). Up to `doubt` of it may be counted twice until `doubted` (s, by `now`)
    waiting,           for display only, what is not known to be spent: of the settled rows, and of the total, with the
    unsettled          version of the newest post (`unsettled_at`)
    loaded, posted     the values of `forgot` at the last load and post; the total is `known` if it was loaded since
    first              what returns first, of a rolling budget, whose windows overlap, one a day: {epoch s, nano-USD (0:
                       all was spent on its last day), version}. Packed last: there may be none
]]
local windows_by_scope = {}

local function windows_of(scope)
  local found = windows_by_scope[scope]
  if found then return found end
  found = {}
  windows_by_scope[scope] = found
  if state_of_parts(scope) ~= 'whole' then return found end
  local fields = redis.call('HGETALL', base .. 'money:' .. scope)
  for i = 1, #fields, 2 do
    local name, packed = fields[i], fields[i + 1]
    local start, stop, spent, version, held, settled, of_gen, loaded, posted, rest =
      struct.unpack(WINDOW_FORMAT, packed)
    if of_gen == gen then
      local more = rest <= #packed and cmsgpack.unpack(string.sub(packed, rest)) or {{}, 0, 0, 0, 0, 0}
      local ahead, doubt, doubted, waiting, unsettled, unsettled_at, first = unpack(more)
      found[name] = {name = name, start = start, stop = stop, spent = spent, version = version, held = held,
        settled = settled, loaded = loaded, posted = posted, known = loaded == forgot, ahead = ahead, doubt = doubt,
        doubted = doubted, waiting = waiting or 0, unsettled = unsettled or 0, unsettled_at = unsettled_at or 0,
        first = first}
    end
  end
  return found
end
