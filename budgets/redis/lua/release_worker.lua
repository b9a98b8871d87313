--[[
  Drops the running calls of an ended worker; what its journal had of them was posted before.
  Called by DeadWorkers.release. Settled calls stay until their post; most are not read, because they expire later.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] orphan  double  seconds; a running call is dropped after at most this time
    [5] worker  string  the ended worker

  Reply: one status, with detail
    {number of dropped calls}

  Effects: orphans are dropped (look); calls, life, slots, money (held) of the worker's running calls.
]]
look()
local gone = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', life_key, '-inf', now + arg[4])) do
  local row = row_of(id)
  if row and row[6] == arg[5] and row[4] == 0 then
    leave(id, row)
    free_slots(id, row)
    gone = gone + 1
  end
end
return answer('buried', {gone})
