-- {run, now, instant, worker, keep for, workers, most, least, scopes}: set aside what one worker may spend while the
-- store is away. One scope; what was set aside before is given back first; 0 workers only give back. It is not `held`:
-- no call runs on it yet, and a call that needs it takes it back.
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
