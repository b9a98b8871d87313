--[[
  Reads the limit status of scopes, without admitting anything.
  Called by StatusReader.read.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] scopes  array  prelude.lua

  Reply: status {detail}
    "read"     {}  with rates and money
    "rebuild"  {}  the tenant is closed
    "window"   {}  another window counts by the clock of Redis
    "unknown"  {gen, forgot, places of the budgets to load}

  Effects: orphans are dropped (look); missing parts of a scope are made; unknown windows are registered in money.
]]
look()
if not is_open or not are_whole(arg[4]) then return answer('rebuild', {}) end
for _, s in ipairs(arg[4]) do
  for _, b in ipairs(s[5]) do
    if is_past(b) then return answer('window', {}) end
  end
end
local unknown = unknown_of(arg[4])
if unknown then return answer('unknown', unknown) end
return answer('read', {}, arg[4])
