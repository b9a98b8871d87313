--[[
  Ends a call once; its cost stays counted until the ledger has it.
  Called by Outbox.settle.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] id         string   request id
    [5] tokens     integer  tokens used
    [6] cost       integer  nano-USD, with the unsettled part in it
    [7] keep for   double   seconds that the row waits for its post
    [8] scopes     array    lib/rows/scope.lua
    [9] unsettled  integer  nano-USD of the cost that are not known to be spent; 0 if left out

  Reply: status {detail}
    "settled"  {}  also if it was settled before; with rates and money (lib/reply/readings.lua)
    "gone"     {}  the id is not known, and the tenant is open
    "rebuild"  {}  the id is not known, and the tenant is closed

  Effects: orphans are dropped; slots are freed, ring gets the difference of tokens.
    cost > 0            calls, life: the row is settled; money: held becomes settled; owed, unsure
    cost 0, or posted   calls, life, money (held): the row is removed
]]
--- @include "lib/calls/count_call"
--- @include "lib/calls/drop_call"
--- @include "lib/calls/drop_orphans"
--- @include "lib/calls/free_slots"
--- @include "lib/calls/row_of"
--- @include "lib/calls/save_row"
--- @include "lib/rates/correct_tokens"
--- @include "lib/reply/reply"
--- @include "lib/reply/reply_with_readings"
--- @include "lib/rows/call"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
local id, tokens, cost, keep_for, scopes, unsettled = unpack(arg, 4)
drop_orphans()
local row = row_of(id)
if not row then return reply(is_open and 'gone' or 'rebuild', {}) end
if row[IS_SETTLED] == 0 then
  free_slots(id, row)
  for i = FIRST, #row, 2 do
    local scope, second = row[i], row[i + 1]
    correct_tokens(scope, second, tokens - row[RESERVED])
  end
  if cost == 0 or row[IS_POSTED] == 1 then
    drop_call(id, row)
  else
    unsettled = unsettled or 0
    count_call(row, -row[AMOUNT], cost, unsettled)
    row[AMOUNT], row[UNSETTLED], row[IS_SETTLED] = cost, unsettled, 1
    save_row(id, row)
    redis.call('ZADD', life_key, now + keep_for, id)
  end
end
return reply_with_readings('settled', {}, scopes)
