--[[
  Ends a call once; its cost stays counted until the ledger has it.
  Called by Outbox.settle.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] id         string   request id
    [5] tokens     integer  tokens used
    [6] cost       integer  nano-USD, with the unsettled part in it
    [7] keep for   double   seconds that the row waits for its post
    [8] scopes     array    prelude.lua
    [9] unsettled  integer  nano-USD of the cost that are not known to be spent; 0 if left out

  Reply: status {detail}
    "settled"  {}  also if it was settled before; with rates and money
    "gone"     {}  the id is not known, and the tenant is open
    "rebuild"  {}  the id is not known, and the tenant is closed

  Effects: orphans are dropped (look); slots are freed, ring gets the difference of tokens.
    cost > 0            calls, life: the row is settled; money: held becomes settled; owed, unsure
    cost 0, or posted   calls, life, money (held): the row is removed
]]
local id, tokens, cost, scopes, unsettled = arg[4], arg[5], arg[6], arg[8], arg[9] or 0
look()
local row = row_of(id)
if not row then return answer(is_open and 'gone' or 'rebuild', {}) end
if row[4] == 0 then
  free_slots(id, row)
  for i = FIRST, #row, 2 do correct(row[i], row[i + 1], tokens - row[2]) end
  if cost == 0 or row[5] == 1 then
    leave(id, row)
  else
    count(row, -row[1], cost, unsettled)
    row[1], row[2], row[4] = cost, unsettled, 1
    keep(id, row)
    redis.call('ZADD', life_key, now + arg[7], id)
  end
end
return answer('settled', {}, scopes)
