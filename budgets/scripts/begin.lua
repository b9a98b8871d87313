-- {run, now, instant, token, milliseconds, scopes}: start over after a loss of data. One rebuild at a time.
if is_open then return answer('open', {}) end
if not redis.call('SET', base .. 'lock', arg[4], 'NX', 'PX', arg[5]) then return answer('locked', {}) end
gen = gen + 1
redis.call('UNLINK', calls_key, life_key)
redis.call('HSET', meta, 'gen', gen, 'run', '', 'token', arg[4])
for _, s in ipairs(arg[6]) do
  for _, b in ipairs(s[5]) do register(s[1], b[1], b[2], b[3]) end
end
return answer('begun', {})
