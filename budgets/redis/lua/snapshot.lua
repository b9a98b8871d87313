--[[
  Reads all that is counted in these scopes, at one instant.
  Called by SnapshotReader.picture.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] most    integer  calls; with more of them none are read
    [5] scopes  array    names of scopes

  Reply: status {detail}
    "counted"  {windows, rows}
                 windows  {scope, name, start, stop, spent, version, held, settled, is complete} of each known window
                 rows     {id, row (lib/prelude.lua)} of each call
    "many"     {number of calls}
    "rebuild"  {}  the tenant is closed, or a part of it is missing

  Effects: no count changes; a tenant of which a part is missing is closed.
]]
if not is_open then return answer('rebuild', {}) end
local calls, windows, rows = redis.call('HLEN', calls_key) - 1, {}, {}
if calls > arg[4] then return answer('many', {calls}) end
for _, scope in ipairs(arg[5]) do
  if state(scope) == 'broken' then return answer('rebuild', {}) end
  for _, w in pairs(money_of(scope)) do
    if w.known then
      local row = {scope, w.name, w.start, w.stop, w.spent, w.version, w.held, w.settled, not next(w.ahead)}
      windows[#windows + 1] = row
    end
  end
end
local all = redis.call('HGETALL', calls_key)
for i = 1, #all, 2 do
  if all[i] ~= MARK then rows[#rows + 1] = {all[i], cmsgpack.unpack(all[i + 1])} end
end
return answer('counted', {windows, rows})
