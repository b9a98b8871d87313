--- @include "lib/tenant/tenant"
-- scope -> the keys of its five parts: money, owed, slots, aside, unsure.
local function parts_of(scope)
  return base .. 'money:' .. scope, base .. 'owed:' .. scope, base .. 'slots:' .. scope, base .. 'aside:' .. scope,
    base .. 'unsure:' .. scope
end
