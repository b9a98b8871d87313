-- {run, now, instant, token, gen, posts}: the ledger has answered and the workers have told what they hold: in this
-- generation, so that nothing was lost since they were asked.
if redis.call('HGET', meta, 'token') ~= arg[4] or gen ~= arg[5] then return answer('late', {}) end
learn(arg[6])
redis.call('HSET', meta, 'run', arg[1])
redis.call('HDEL', meta, 'token')
redis.call('DEL', base .. 'lock')
return answer('open', {})
