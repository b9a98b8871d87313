--- @include "lib/rows/call"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/add_to_quarter"
--- @include "lib/windows/quarter"
--- @include "lib/windows/save_window"
--- @include "lib/windows/windows_of"
-- Add nano-USD to held, settled and waiting (the unsettled part; 0 if left out) of the scopes of a row
-- (lib/rows/call.lua), in every window in which it was granted. Writes money, owed, unsure.
local function count_call(row, held, settled, waiting)
  if row[IS_POSTED] == 1 or (held == 0 and settled == 0) then return end
  local granted_at = row[GRANTED_AT]
  local quarter = settled ~= 0 and gen .. '|' .. math.floor(granted_at / QUARTER)
  waiting = waiting or 0
  for i = FIRST, #row, 2 do
    local scope = row[i]
    if quarter then add_to_quarter('owed:', scope, quarter, settled) end
    if waiting ~= 0 then add_to_quarter('unsure:', scope, quarter, waiting) end
    for _, window in pairs(windows_of(scope)) do
      if window.start <= granted_at and granted_at < window.stop then
        window.held, window.settled = window.held + held, window.settled + settled
        window.waiting = window.waiting + waiting
        save_window(scope, window)
      end
    end
  end
end
