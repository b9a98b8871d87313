--[[
  Drops the running calls of an ended worker; what its journal had of them was posted before.
  Called by DeadWorkers.release. Settled calls stay until their post; most are not read, because they expire later.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] orphan  double  seconds; a running call is dropped after at most this time
    [5] worker  string  the ended worker

  Reply: one status, with detail
    {number of dropped calls}

  Effects: orphans are dropped; calls, life, slots, money (held) of the worker's running calls.
]]
--- @include "lib/calls/drop_call"
--- @include "lib/calls/drop_orphans"
--- @include "lib/calls/free_slots"
--- @include "lib/calls/row_of"
--- @include "lib/reply/reply"
--- @include "lib/rows/call"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
local orphan, worker = unpack(arg, 4)
drop_orphans()
local dropped = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', life_key, '-inf', now + orphan)) do
  local row = row_of(id)
  if row and row[WORKER] == worker and row[IS_SETTLED] == 0 then
    drop_call(id, row)
    free_slots(id, row)
    dropped = dropped + 1
  end
end
return reply('buried', {dropped})
