--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/merge_ahead"
-- Replace the window's total (nano-USD) by that of `version`, with its unsettled part. For up to DOUBT seconds calls
-- that are still counted here may also be in it, until the post of their worker arrives. Changes the window in memory.
local DOUBT = arg[2] < 0 and 0.5 or 0 -- seconds; 0 with a caller's clock, which stands still while it waits

local function install_total(window, spent, version, unsettled)
  window.spent, window.version = spent, version
  for at, added in pairs(window.ahead) do
    if at > version then window.spent = window.spent + added else window.ahead[at] = nil end
  end
  if not next(window.ahead) then window.unsettled, window.unsettled_at = unsettled or 0, version end
  merge_ahead(window)
  local doubt = window.settled + window.held
  if doubt > 0 then window.doubt, window.doubted = doubt, now + DOUBT end
end
