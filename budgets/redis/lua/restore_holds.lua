--[[
  Enters calls of a worker again that are not in `calls`; once for each id, whether the tenant is open or closed.
  Called by Outbox (own calls) and FinalReport.stand_in (calls of a worker that cannot reach Redis).

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] lease     double  seconds that the slots are held
    [5] orphan    double  seconds after which a running call is dropped unless renewed
    [6] keep for  double  seconds that a settled call waits for its post
    [7] rows      array   {id, row (lib/prelude.lua), id, row ...}

  Reply: status {detail}
    "held"  {}

  Effects, for each new id
    running   calls, life, slots, money (held)
    settled   calls, life, money (settled), owed, unsure
]]
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
