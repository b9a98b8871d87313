-- {run, now, instant, orphan, worker}: this worker is dead, and what its journal knew has been told: drop the calls that
-- it was granted and never wrote down. Only what runs is looked through, by when it would be given up.
look()
local gone = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', life_key, '-inf', now + arg[4])) do
  local row = row_of(id)
  if row and row[6] == arg[5] and row[4] == 0 then
    leave(id, row)
    free_slots(id, row)
    gone = gone + 1
  end
end
return answer('buried', {gone})
