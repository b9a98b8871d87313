--[[
  Installs totals that were loaded from the ledger.
  Called by WindowLoader.load, after a reply "unknown".

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] gen     integer  generation at the time of "unknown"
    [5] forgot  integer  number of `forget` at that time
    [6] posts   array    prelude.lua; `added` is not used

  Reply: status {detail}
    "learnt"  {}  also if gen or forgot has changed: then the totals are void

  Effects: money, the total of each window that is not known.
]]
if gen == arg[4] and forgot == arg[5] then learn(arg[6]) end
return answer('learnt', {})
