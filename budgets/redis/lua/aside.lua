-- {run, now, instant, worker, keep for, {scope, amount, scope, amount ...}}: what a worker had set aside that cannot tell it
-- itself; after a loss of data (reserve.lua).
for i = 1, #arg[6], 2 do
  if make(arg[6][i]) then
    redis.call('HSET', base .. 'aside:' .. arg[6][i], arg[4], struct.pack('<dd', arg[6][i + 1], now + arg[5]))
  end
end
return answer('held', {})
