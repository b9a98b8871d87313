--[[
  Gives back the outage allowance of one worker in one scope, then sets a new one aside.
  Called by OutageAllowances. An allowance is not held: no call runs on it, and a call that needs the money reclaims it.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] worker    string   the holder
    [5] keep for  integer  seconds
    [6] workers   integer  live workers that share; 0: only give back
    [7] most      integer  nano-USD
    [8] least     integer  nano-USD; less is not set aside
    [9] scopes    array    one scope (lib/rows/scope.lua)

  Reply: status {detail}
    "reserved"  {nano-USD set aside}; 0 if `workers` is 0, the tenant is closed, calls asked for the money in the last
                60 s, a window is not known or is past, or there is too little

  Effects: aside:<scope>, the field of the worker; orphans are dropped; unknown windows are registered in money.
]]
--- @include "lib/allowances/allowances_of"
--- @include "lib/calls/drop_orphans"
--- @include "lib/reply/reply"
--- @include "lib/rows/allowance"
--- @include "lib/rows/budget"
--- @include "lib/rows/scope"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/make_all_parts"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/has_ended"
--- @include "lib/windows/unknown_windows"
--- @include "lib/windows/windows_of"
local worker, keep_for, workers, most, least, scopes = unpack(arg, 4)
local rules = unpack(scopes) -- there is one
local scope = rules[SCOPE]
local key = base .. 'aside:' .. scope
redis.call('HDEL', key, worker)
drop_orphans()
if workers == 0 or not is_open or not make_all_parts(scopes) or redis.call('EXISTS', base .. 'asked:' .. scope) == 1
  or unknown_windows(scopes) then
  return reply('reserved', {0})
end
local others, amount = allowances_of(scope, {}), most
for _, budget in ipairs(rules[BUDGETS]) do
  if has_ended(budget) then return reply('reserved', {0}) end
  local window = windows_of(scope)[budget[WINDOW]]
  local room = budget[LIMIT] - window.spent - window.settled - window.held - others
  amount = math.min(amount, math.floor(budget[LIMIT] / 100), math.floor(room / (2 * workers)))
end
if amount < least then return reply('reserved', {0}) end
redis.call('HSET', key, worker, struct.pack(ALLOWANCE_FORMAT, amount, now + keep_for))
return reply('reserved', {amount})
