-- {run, now, instant, id, keep for, workers, most, least, scopes}: set aside what one worker may spend while the
-- store is away. One scope; the old reservation is given back first; 0 workers only give back.
local id, workers, scopes = arg[4], arg[6], arg[9]
look()
local row = row_of(id)
if row then leave(id, row) end
local amount = arg[7]
if workers == 0 or not is_open or unknown_of(scopes) then return answer('reserved', {0}) end
for _, s in ipairs(scopes) do
  for _, b in ipairs(s[5]) do
    if instant < b[2] or instant >= b[3] then return answer('reserved', {0}) end
    local w = money_of(s[1])[b[1]]
    local room = b[4] - w.spent - w.settled - w.held
    amount = math.min(amount, math.floor(b[4] / 100), math.floor(room / (2 * workers)))
  end
end
if amount < arg[8] then return answer('reserved', {0}) end
row = {amount, 0, instant, 0, 0, scopes[1][1], -1}
keep(id, row)
redis.call('ZADD', life_key, now + arg[5], id)
count(row, amount, 0)
return answer('reserved', {amount})
