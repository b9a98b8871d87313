--[[
  Enters calls of a worker again that are not in `calls`; once for each id, whether the tenant is open or closed.
  Called by Outbox (own calls) and FinalReport.stand_in (calls of a worker that cannot reach Redis).

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] lease     double  seconds that the slots are held
    [5] orphan    double  seconds after which a running call is dropped unless renewed
    [6] keep for  double  seconds that a settled call waits for its post
    [7] rows      array   {id, row (lib/rows/call.lua), id, row ...}

  Reply: status {detail}
    "held"  {}

  Effects, for each new id; missing parts of its scopes are made
    running   calls, life, slots, money (held)
    settled   calls, life, money (settled), owed, unsure
]]
--- @include "lib/calls/count_call"
--- @include "lib/calls/renew_call"
--- @include "lib/calls/row_of"
--- @include "lib/calls/save_row"
--- @include "lib/reply/reply"
--- @include "lib/rows/call"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
local lease, orphan, keep_for, rows = unpack(arg, 4)
for i = 1, #rows, 2 do
  local id, row = rows[i], rows[i + 1]
  if not row_of(id) then
    save_row(id, row)
    if row[IS_SETTLED] == 1 then
      count_call(row, 0, row[AMOUNT], row[UNSETTLED])
      redis.call('ZADD', life_key, now + keep_for, id)
    else
      count_call(row, row[AMOUNT], 0)
      renew_call(id, row, lease, orphan)
    end
  end
end
return reply('held', {})
