--[[
  Enters the outage allowances of a worker that cannot send them itself, after a loss of data (set_aside.lua).
  Called by FinalReport.stand_in.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] worker    string   the holder
    [5] keep for  integer  seconds
    [6] amounts   array    {scope, nano-USD, scope, nano-USD ...}

  Reply: status {detail}
    "held"  {}

  Effects: aside:<scope>, the field of the worker.
]]
for i = 1, #arg[6], 2 do
  if make(arg[6][i]) then
    redis.call('HSET', base .. 'aside:' .. arg[6][i], arg[4], struct.pack('<dd', arg[6][i + 1], now + arg[5]))
  end
end
return answer('held', {})
