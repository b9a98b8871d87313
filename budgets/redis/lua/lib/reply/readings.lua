--- @include "lib/rates/ring_of"
--- @include "lib/rows/budget"
--- @include "lib/rows/scope"
--- @include "lib/windows/windows_of"
--[[
  scopes (lib/rows/scope.lua) -> rates, money, as a reply has them.
    rates  {requests, tokens, newest second or -1} of each scope
    money  {spent, settled, held, state, unsettled, return at, returned} of each budget; nano-USD, epoch seconds; the
           last two only if something returns
]]
local function readings(scopes)
  local KNOWN, NOT_KNOWN, NO_WINDOW = 2, 1, 0 -- states
  local rates, money = {}, {}
  for i, rules in ipairs(scopes) do
    local scope = rules[SCOPE]
    local ring = ring_of(scope)
    rates[i] = {ring.r, ring.t, ring.hi or -1}
    for _, budget in ipairs(rules[BUDGETS]) do
      local window = windows_of(scope)[budget[WINDOW]]
      local reading = {0, 0, 0, NO_WINDOW, 0}
      if window then
        local unsettled = math.min(window.unsettled + window.waiting, window.spent + window.settled)
        local state, first = window.known and KNOWN or NOT_KNOWN, window.first
        reading = {window.spent, window.settled, window.held, state, unsettled}
        if first then
          local return_at, returned = unpack(first)
          if returned > 0 then
            reading[#reading + 1] = return_at
            reading[#reading + 1] = returned
          end
        end
      end
      money[#money + 1] = reading
    end
  end
  return rates, money
end
