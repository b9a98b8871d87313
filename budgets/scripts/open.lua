-- {run, now, instant, token, posts}: the ledger has answered and the workers have told what they hold.
if redis.call('HGET', meta, 'token') ~= arg[4] then return answer('late', {}) end
learn(arg[5])
redis.call('HSET', meta, 'run', arg[1])
redis.call('HDEL', meta, 'token')
redis.call('DEL', base .. 'lock')
return answer('open', {})
