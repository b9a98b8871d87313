-- {run, now, instant, id, hold, scopes}: raise a running call's hold, if that fits everywhere.
local id, hold, scopes = arg[4], arg[5], arg[6]
look()
local row = row_of(id)
if not row then return answer(is_open and 'refused' or 'rebuild', {}) end
if row[4] == 1 or row[5] == 1 then return answer('refused', {}) end
local more = hold - row[1]
if more <= 0 then return answer('granted', {}) end
if not is_open or not are_whole(scopes) then return answer('rebuild', {}) end
local unknown = unknown_of(scopes)
if unknown then return answer('unknown', unknown) end
local status, detail = shortage(scopes, more)
if status then return answer(status == 'budget' and 'refused' or status, detail) end
count(row, more, 0)
row[1] = hold
keep(id, row)
return answer('granted', {})
