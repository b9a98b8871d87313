--[[
  Begins the recovery of a closed tenant in a new generation; one recovery at a time.
  Called by Recovery. A generation is never named twice, not even after a loss: loads of an earlier one are void.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] token    string   of this recovery; repeating it returns the same generation
    [5] lock     integer  milliseconds that other recoveries are locked out
    [6] scopes   array    whose windows are registered (lib/prelude.lua)

  Reply: status {detail}
    "begun"   {gen}
    "open"    {}  the tenant is open
    "locked"  {}  another recovery holds the lock

  Effects: lock; calls and life are made empty; meta: gen, token, run = ""; money: windows are registered. Parts of
    earlier generations are replaced when a script next uses their scope.
]]
if is_open then return answer('open', {}) end
local owner = redis.call('GET', base .. 'lock')
if owner == arg[4] and redis.call('HGET', meta, 'token') == owner then return answer('begun', {gen}) end
if owner then return answer('locked', {}) end
redis.call('SET', base .. 'lock', arg[4], 'PX', arg[5])
local time = redis.call('TIME')
-- 100 us; 14 digits: as many as Lua writes
gen = math.max(gen + 1, tonumber(time[1]) * 10000 + math.floor(tonumber(time[2]) / 100))
redis.call('UNLINK', calls_key, life_key)
redis.call('HSET', calls_key, MARK, '')
redis.call('ZADD', life_key, '+inf', MARK)
redis.call('HSET', meta, 'gen', gen, 'run', '', 'token', arg[4])
for _, s in ipairs(arg[6]) do
  for _, b in ipairs(s[5]) do register(s[1], b[1], b[2], b[3]) end
end
return answer('begun', {gen})
