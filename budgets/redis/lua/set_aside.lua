--[[
  Gives back the outage allowance of one worker in one scope, then sets a new one aside.
  Called by OutageAllowances. An allowance is not held: no call runs on it, and a call that needs the money reclaims it.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] worker    string   the holder
    [5] keep for  integer  seconds
    [6] workers   integer  live workers that share; 0: only give back
    [7] most      integer  nano-USD
    [8] least     integer  nano-USD; less is not set aside
    [9] scopes    array    one scope (lib/prelude.lua)

  Reply: status {detail}
    "reserved"  {nano-USD set aside}; 0 if `workers` is 0, the tenant is closed, calls asked for the money in the last
                60 s, a window is not known or is past, or there is too little

  Effects: aside:<scope>, the field of the worker; orphans are dropped (look); unknown windows are registered in money.
]]
local workers, amount, scope = arg[6], arg[7], arg[9][1]
local key = base .. 'aside:' .. scope[1]
redis.call('HDEL', key, arg[4])
look()
if workers == 0 or not is_open or not are_whole(arg[9]) or redis.call('EXISTS', base .. 'asked:' .. scope[1]) == 1
  or unknown_of(arg[9]) then
  return answer('reserved', {0})
end
local others = aside_of(scope[1], {})
for _, b in ipairs(scope[5]) do
  if is_past(b) then return answer('reserved', {0}) end
  local w = money_of(scope[1])[b[1]]
  local room = b[4] - w.spent - w.settled - w.held - others
  amount = math.min(amount, math.floor(b[4] / 100), math.floor(room / (2 * workers)))
end
if amount < arg[8] then return answer('reserved', {0}) end
redis.call('HSET', key, arg[4], struct.pack('<dd', amount, now + arg[5]))
return answer('reserved', {amount})
