--[[
  Reads the limit status of scopes, without admitting anything.
  Called by StatusReader.read.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] scopes  array  lib/rows/scope.lua

  Reply: status {detail}
    "read"     {}  with rates and money (lib/reply/readings.lua)
    "rebuild"  {}  the tenant is closed
    "window"   {}  another window counts by the clock of Redis
    "unknown"  {gen, forgot, places of the budgets to load}

  Effects: orphans are dropped; missing parts of a scope are made; unknown windows are registered in money.
]]
--- @include "lib/calls/drop_orphans"
--- @include "lib/reply/reply"
--- @include "lib/reply/reply_with_readings"
--- @include "lib/rows/scope"
--- @include "lib/tenant/make_all_parts"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/has_ended"
--- @include "lib/windows/unknown_windows"
local scopes = arg[4]
drop_orphans()
if not is_open or not make_all_parts(scopes) then return reply('rebuild', {}) end
for _, rules in ipairs(scopes) do
  for _, budget in ipairs(rules[BUDGETS]) do
    if has_ended(budget) then return reply('window', {}) end
  end
end
local unknown = unknown_windows(scopes)
if unknown then return reply('unknown', unknown) end
return reply_with_readings('read', {}, scopes)
