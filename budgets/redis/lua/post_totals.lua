--[[
  Takes over totals of the ledger, and drops the calls that are in them.
  Called by Outbox.flush.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] posts  array  totals of the ledger (lib/rows/post.lua); `added` is what the batch itself added, -1 where some of
                      it was in the ledger before
    [5] ids    array  request ids of the batch

  Reply: status {detail}
    "posted"  {}

  Effects: orphans are dropped.
    money         totals of registered windows; others are ignored
    settled ids   calls, life, money (settled), owed, unsure: the row is removed
    running ids   calls, money (held): the row counts 0 and keeps its slot
]]
--- @include "lib/calls/count_call"
--- @include "lib/calls/drop_call"
--- @include "lib/calls/drop_orphans"
--- @include "lib/calls/row_of"
--- @include "lib/calls/save_row"
--- @include "lib/reply/reply"
--- @include "lib/rows/call"
--- @include "lib/rows/post"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/add_batch"
--- @include "lib/windows/install_total"
--- @include "lib/windows/save_window"
--- @include "lib/windows/take_first_return"
--- @include "lib/windows/windows_of"
local posts, ids = unpack(arg, 4)
drop_orphans()
for _, post in ipairs(posts) do
  local scope, spent, version, unsettled = post[POST_SCOPE], post[POST_SPENT], post[POST_VERSION], post[POST_UNSETTLED]
  local window = windows_of(scope)[post[POST_WINDOW]]
  if window then
    if window.known then
      add_batch(window, spent, version, post[POST_ADDED], unsettled)
    elseif window.posted ~= forgot or version > window.version then
      window.ahead = {}
      install_total(window, spent, version, unsettled)
    end
    if window.posted ~= forgot and not window.known then window.first = nil end
    take_first_return(window, post)
    window.posted = forgot
    save_window(scope, window)
  end
end
for _, id in ipairs(ids) do
  local row = row_of(id)
  if row and row[IS_SETTLED] == 1 then
    drop_call(id, row)
  elseif row then
    count_call(row, -row[AMOUNT], 0)
    row[AMOUNT], row[IS_POSTED] = 0, 1
    save_row(id, row)
  end
end
return reply('posted', {})
