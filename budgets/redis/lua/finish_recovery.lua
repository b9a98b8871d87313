--[[
  Opens a tenant at the end of its recovery: all workers have resent what they hold, and the ledger was read.
  Called by Recovery.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] token  string   of the recovery, as in begin_recovery
    [5] gen    integer  as begin_recovery returned it: no data was lost since
    [6] posts  array    totals of the ledger (lib/rows/post.lua); `added` is not used

  Reply: status {detail}
    "open"  {}
    "late"  {}  another recovery has begun, or data was lost since: nothing changed

  Effects of "open": money (totals; missing windows are registered); meta: run is set, token deleted; lock is deleted.
]]
--- @include "lib/reply/reply"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/install_loaded"
local token, of_gen, posts = unpack(arg, 4)
if redis.call('HGET', meta, 'token') ~= token or gen ~= of_gen then return reply('late', {}) end
install_loaded(posts)
redis.call('HSET', meta, 'run', arg[1])
redis.call('HDEL', meta, 'token')
redis.call('DEL', base .. 'lock')
return reply('open', {})
