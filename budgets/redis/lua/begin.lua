-- {run, now, instant, token, milliseconds, scopes}: start over after a loss of data. One rebuild at a time. Twice by the
-- same token is once. A generation is never named twice, not even after a loss: what was asked before it is void after.
if is_open then return answer('open', {}) end
local owner = redis.call('GET', base .. 'lock')
if owner == arg[4] and redis.call('HGET', meta, 'token') == owner then return answer('begun', {gen}) end
if owner then return answer('locked', {}) end
redis.call('SET', base .. 'lock', arg[4], 'PX', arg[5])
local time = redis.call('TIME')
gen = math.max(gen + 1, tonumber(time[1]) * 10000 + math.floor(tonumber(time[2]) / 100)) -- 14 digits: as many as Lua writes
redis.call('UNLINK', calls_key, life_key)
redis.call('HSET', calls_key, MARK, '')
redis.call('ZADD', life_key, '+inf', MARK)
redis.call('HSET', meta, 'gen', gen, 'run', '', 'token', arg[4])
for _, s in ipairs(arg[6]) do
  for _, b in ipairs(s[5]) do register(s[1], b[1], b[2], b[3]) end
end
return answer('begun', {gen})
