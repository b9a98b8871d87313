-- {run, now, instant, lease, orphan, ids}: signs of life; returns the calls that are not known here.
look()
local missing = {}
for _, id in ipairs(arg[6]) do
  local row = row_of(id)
  if not row then
    missing[#missing + 1] = id
  elseif row[4] == 0 then
    live_on(id, row, arg[4], arg[5])
  end
end
return answer(is_open and 'renewed' or 'rebuild', missing)
