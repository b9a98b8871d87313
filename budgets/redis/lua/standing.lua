-- {run, now, instant, scopes}: read, and ask for nothing.
look()
if not is_open or not are_whole(arg[4]) then return answer('rebuild', {}) end
for _, s in ipairs(arg[4]) do
  for _, b in ipairs(s[5]) do
    if is_past(b) then return answer('window', {}) end
  end
end
local unknown = unknown_of(arg[4])
if unknown then return answer('unknown', unknown) end
return answer('read', {}, arg[4])
