--- @include "lib/allowances/allowances_of"
--- @include "lib/rows/budget"
--- @include "lib/rows/scope"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/windows_of"
--[[
  Why `more` nano-USD do not fit into every budget of the scopes (lib/rows/scope.lua). Returns status, detail:
    nothing   they fit
    'budget'  {place of the tightest budget}
    'doubt'   {}  they may fit once the doubt about a total ends
    'aside'   {workers whose outage allowances are in the way}

  Effects: 'aside': `asked` is set, so that nothing is set aside of those scopes for a minute.
]]
local function shortage(scopes, more)
  local least, which, place, tight, holders, is_doubted = nil, 0, 0, {}, {}, false
  for _, rules in ipairs(scopes) do
    local scope, budgets, workers = rules[SCOPE], rules[BUDGETS], {}
    local aside = #budgets > 0 and allowances_of(scope, workers) or 0
    local is_tight = false
    for _, budget in ipairs(budgets) do
      local window = windows_of(scope)[budget[WINDOW]]
      local room = budget[LIMIT] - window.spent - window.settled - window.held
      if room < more and window.doubted > now and room + window.doubt >= more then
        is_doubted = true
      elseif not least or room < least then
        least, which = room, place
      end
      if room - aside < more then is_tight = true end
      place = place + 1
    end
    if is_tight and aside > 0 then
      tight[#tight + 1] = scope
      for _, worker in ipairs(workers) do holders[#holders + 1] = worker end
    end
  end
  if least and least < more then return 'budget', {which} end
  if is_doubted then return 'doubt', {} end
  for _, scope in ipairs(tight) do redis.call('SET', base .. 'asked:' .. scope, 1, 'EX', 60) end
  if #tight > 0 then return 'aside', holders end
end
