--- @include "lib/windows/install_total"
--- @include "lib/windows/merge_ahead"
-- Add one batch of the ledger (`added` nano-USD) once; its calls leave the counts in the same step. If `added` is
-- unknown (-1), or more than MOST_AHEAD versions wait for a missing one, the ledger's total replaces the sum; also if
-- that version has arrived, because one before it may be missing. Changes the window in memory.
local function add_batch(window, spent, version, added, unsettled)
  local MOST_AHEAD = 64
  if version <= window.version or added == 0 then return end
  if added < 0 then return install_total(window, spent, version, unsettled) end
  if window.ahead[version] then return end
  if version >= window.unsettled_at then window.unsettled, window.unsettled_at = unsettled or 0, version end
  window.spent = window.spent + added
  window.ahead[version] = added
  merge_ahead(window)
  local waiting_versions = 0
  for _ in pairs(window.ahead) do waiting_versions = waiting_versions + 1 end
  if waiting_versions > MOST_AHEAD then install_total(window, spent, version, unsettled) end
end
