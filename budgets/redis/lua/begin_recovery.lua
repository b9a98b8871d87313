--[[
  Begins the recovery of a closed tenant in a new generation; one recovery at a time.
  Called by Recovery. A generation is never named twice, not even after a loss: loads of an earlier one are void.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] token    string   of this recovery; repeating it returns the same generation
    [5] lock     integer  milliseconds that other recoveries are locked out
    [6] scopes   array    lib/rows/scope.lua; their windows are registered

  Reply: status {detail}
    "begun"   {gen}
    "open"    {}  the tenant is open
    "locked"  {}  another recovery holds the lock

  Effects of "begun", the first time: lock; calls and life are made empty; meta: gen, token, run = ""; money: windows
    are registered. Parts of earlier generations are replaced when a script next uses their scope.
]]
--- @include "lib/reply/reply"
--- @include "lib/rows/budget"
--- @include "lib/rows/scope"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/register_window"
local token, lock_ms, scopes = unpack(arg, 4)
if is_open then return reply('open', {}) end
local owner = redis.call('GET', base .. 'lock')
if owner == token and redis.call('HGET', meta, 'token') == owner then return reply('begun', {gen}) end
if owner then return reply('locked', {}) end
redis.call('SET', base .. 'lock', token, 'PX', lock_ms)
local seconds, microseconds = unpack(redis.call('TIME'))
-- 100 us; 14 digits: as many as Lua writes
gen = math.max(gen + 1, tonumber(seconds) * 10000 + math.floor(tonumber(microseconds) / 100))
redis.call('UNLINK', calls_key, life_key)
redis.call('HSET', calls_key, MARK, '')
redis.call('ZADD', life_key, '+inf', MARK)
redis.call('HSET', meta, 'gen', gen, 'run', '', 'token', token)
for _, rules in ipairs(scopes) do
  for _, budget in ipairs(rules[BUDGETS]) do
    register_window(rules[SCOPE], budget[WINDOW], budget[START], budget[STOP])
  end
end
return reply('begun', {gen})
