-- {run, now, instant, lease, orphan, keep for, {id, row, id, row ...}}: tell again what a worker holds; once for each id.
local rows = arg[7]
for i = 1, #rows, 2 do
  local id, row = rows[i], rows[i + 1]
  if not row_of(id) then
    keep(id, row)
    if row[4] == 1 then
      count(row, 0, row[1], row[2])
      redis.call('ZADD', life_key, now + arg[6], id)
    else
      count(row, row[1], 0)
      live_on(id, row, arg[4], arg[5])
    end
  end
end
return answer('held', {})
