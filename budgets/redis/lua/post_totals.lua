--[[
  Takes over totals of the ledger, and drops the calls that are in them.
  Called by Outbox.flush.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] posts  array  prelude.lua; `added` is what the batch itself added, -1 where some of it was in the ledger before
    [5] ids    array  request ids of the batch

  Reply: status {detail}
    "posted"  {}

  Effects: orphans are dropped (look).
    money         totals of registered windows; others are ignored
    settled ids   calls, life, money (settled), owed, unsure: the row is removed
    running ids   calls, money (held): the row counts 0 and keeps its slot
]]
look()
for _, post in ipairs(arg[4]) do
  local w = money_of(post[1])[post[2]]
  if w then
    if w.known then
      add(w, post[5], post[6], post[7], post[8])
    elseif w.posted ~= forgot or post[6] > w.version then
      w.ahead = {}
      total(w, post[5], post[6], post[8])
    end
    if w.posted ~= forgot and not w.known then w.first = nil end
    returns(w, post)
    w.posted = forgot
    save(post[1], w)
  end
end
for _, id in ipairs(arg[5]) do
  local row = row_of(id)
  if row and row[4] == 1 then
    leave(id, row)
  elseif row then
    count(row, -row[1], 0)
    row[1], row[5] = 0, 1
    keep(id, row)
  end
end
return answer('posted', {})
