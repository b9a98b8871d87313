-- {run, now, instant, most calls, scopes}: all that is counted in these scopes, in one moment. Changes nothing, but
-- that a tenant of whose state a part was lost is closed.
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
