--- @include "lib/rows/budget"
--- @include "lib/rows/scope"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/register_window"
-- scopes (lib/rows/scope.lua) -> {gen, forgot, places of the budgets whose totals must be loaded from the ledger}, or
-- false if there are none. Effects: their windows are registered, so that posts reach them.
local function unknown_windows(scopes)
  local places, place = {}, 0
  for _, rules in ipairs(scopes) do
    for _, budget in ipairs(rules[BUDGETS]) do
      local window = register_window(rules[SCOPE], budget[WINDOW], budget[START], budget[STOP])
      if not window.known then places[#places + 1] = place end
      place = place + 1
    end
  end
  return #places > 0 and {gen, forgot, unpack(places)}
end
