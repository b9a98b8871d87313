-- {run, now, instant, posts, ids}: take over newer totals; forget the calls that are in them.
look()
for _, post in ipairs(arg[4]) do
  local w = money_of(post[1])[post[2]]
  if w and post[6] > w.version then
    w.spent, w.version, w.posted = post[5], post[6], forgot
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
