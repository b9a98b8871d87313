--[[
  Reads all that is counted in these scopes, at one instant.
  Called by SnapshotReader.picture.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] most    integer  calls; with more of them none are read
    [5] scopes  array    names of scopes

  Reply: status {detail}
    "counted"  {windows, rows}
                 windows  {scope, name, start, stop, spent, version, held, settled, is complete} of each known window
                 rows     {id, row (lib/rows/call.lua)} of each call
    "many"     {number of calls}
    "rebuild"  {}  the tenant is closed, or a part of it is missing

  Effects: no count changes; a tenant of which a part is missing is closed.
]]
--- @include "lib/reply/reply"
--- @include "lib/tenant/state_of_parts"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/windows_of"
local most, scopes = unpack(arg, 4)
if not is_open then return reply('rebuild', {}) end
local calls, windows, rows = redis.call('HLEN', calls_key) - 1, {}, {}
if calls > most then return reply('many', {calls}) end
for _, scope in ipairs(scopes) do
  if state_of_parts(scope) == 'broken' then return reply('rebuild', {}) end
  for _, window in pairs(windows_of(scope)) do
    if window.known then
      windows[#windows + 1] = {scope, window.name, window.start, window.stop, window.spent, window.version, window.held,
        window.settled, not next(window.ahead)}
    end
  end
end
local fields = redis.call('HGETALL', calls_key)
for i = 1, #fields, 2 do
  local id, packed = fields[i], fields[i + 1]
  if id ~= MARK then rows[#rows + 1] = {id, cmsgpack.unpack(packed)} end
end
return reply('counted', {windows, rows})
