--- @include "lib/rows/window"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/make_parts"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/held_between"
--- @include "lib/windows/save_window"
--- @include "lib/windows/sum_of_quarters"
--- @include "lib/windows/windows_of"
-- Return the window of a scope by its name; create it from `start` to `stop` (epoch s) if it is missing, with the sums
-- of the rows. Its total is loaded from the ledger later. Effects: the parts of the scope are made; its windows that
-- ended a day ago and count no call are deleted when one is created.
local function register_window(scope, name, start, stop)
  make_parts(scope)
  local window = windows_of(scope)[name]
  if window then return window end
  window = {name = name, start = start, stop = stop, spent = 0, version = BEFORE,
    held = held_between(scope, start, stop), settled = sum_of_quarters('owed:', scope, start, stop), loaded = BEFORE,
    posted = BEFORE, known = false, ahead = {}, doubt = 0, doubted = 0,
    waiting = sum_of_quarters('unsure:', scope, start, stop), unsettled = 0, unsettled_at = 0}
  for other, old in pairs(windows_of(scope)) do
    if old.stop + 86400 < instant and old.held == 0 and old.settled == 0 then
      redis.call('HDEL', base .. 'money:' .. scope, other)
      windows_of(scope)[other] = nil
    end
  end
  windows_of(scope)[name] = window
  save_window(scope, window)
  return window
end
