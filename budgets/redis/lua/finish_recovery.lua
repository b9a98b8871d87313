--[[
  Opens a tenant at the end of its recovery: all workers have resent what they hold, and the ledger was read.
  Called by Recovery.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] token  string   of the recovery, as in `begin`
    [5] gen    integer  as `begin` returned it: no data was lost since
    [6] posts  array    totals of the ledger (lib/prelude.lua); `added` is not used

  Reply: status {detail}
    "open"  {}
    "late"  {}  another recovery has begun, or data was lost since: nothing changed

  Effects: money (totals); meta: run is set, token deleted; lock is deleted.
]]
if redis.call('HGET', meta, 'token') ~= arg[4] or gen ~= arg[5] then return answer('late', {}) end
learn(arg[6])
redis.call('HSET', meta, 'run', arg[1])
redis.call('HDEL', meta, 'token')
redis.call('DEL', base .. 'lock')
return answer('open', {})
