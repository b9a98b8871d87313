--[[
  Installs totals that were loaded from the ledger.
  Called by WindowLoader.load, after a reply "unknown".

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] gen     integer  generation at the time of "unknown"
    [5] forgot  integer  `forgot` at that time
    [6] posts   array    lib/rows/post.lua; `added` is not used

  Reply: status {detail}
    "learnt"  {}  also if gen or forgot has changed: then the totals are void

  Effects: money, the total of each window that is not known; missing windows are registered.
]]
--- @include "lib/reply/reply"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/install_loaded"
local of_gen, of_forgot, posts = unpack(arg, 4)
if gen == of_gen and forgot == of_forgot then install_loaded(posts) end
return reply('learnt', {})
