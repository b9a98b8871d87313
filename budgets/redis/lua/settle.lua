-- {run, now, instant, id, tokens, cost, keep for, scopes, unsettled}: end a call once; its cost waits for the ledger. The
-- cost has what is not known to be spent in it.
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
