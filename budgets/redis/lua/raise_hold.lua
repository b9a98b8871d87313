--[[
  Raises the hold of a running call, if the difference fits into every budget.
  Called by RedisAdmission.raise_hold.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] id      string   request id
    [5] hold    integer  nano-USD, the new hold
    [6] scopes  array    prelude.lua

  Reply: status {detail}
    "granted"  {}  also if the hold is as high already
    "refused"  {}  the call is not known (tenant open), settled or posted
    "refused"  {place of the tightest budget}
    "rebuild"  {}  the tenant is closed
    "unknown"  {gen, forgot, places of the budgets to load}
    "doubt"    {}  it may fit when the doubt ends, within half a second
    "aside"    {workers whose allowances must be given back}

  Effects: orphans are dropped (look).
    granted   calls, money (held)
    other     money: windows that are not known are registered; "aside": asked, for 60 s
]]
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
