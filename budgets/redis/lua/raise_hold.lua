--[[
  Raises the hold of a running call, if the difference fits into every budget.
  Called by RedisAdmission.raise_hold.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] id      string   request id
    [5] hold    integer  nano-USD, the new hold
    [6] scopes  array    lib/rows/scope.lua

  Reply: status {detail}
    "granted"  {}  also if the hold is as high already
    "refused"  {}  the call is not known (tenant open), settled or posted
    "refused"  {place of the tightest budget}
    "rebuild"  {}  the tenant is closed
    "unknown"  {gen, forgot, places of the budgets to load}
    "doubt"    {}  it may fit when the doubt ends, within half a second
    "aside"    {workers whose allowances must be given back}

  Effects
    always     orphans are dropped; missing parts of a scope are made
    "granted"  calls, money (held)
    "unknown"  money: the windows are registered
    "aside"    asked, for 60 s
]]
--- @include "lib/allowances/shortage"
--- @include "lib/calls/count_call"
--- @include "lib/calls/drop_orphans"
--- @include "lib/calls/row_of"
--- @include "lib/calls/save_row"
--- @include "lib/reply/reply"
--- @include "lib/rows/call"
--- @include "lib/tenant/make_all_parts"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/unknown_windows"
local id, hold, scopes = unpack(arg, 4)
drop_orphans()
local row = row_of(id)
if not row then return reply(is_open and 'refused' or 'rebuild', {}) end
if row[IS_SETTLED] == 1 or row[IS_POSTED] == 1 then return reply('refused', {}) end
local more = hold - row[AMOUNT]
if more <= 0 then return reply('granted', {}) end
if not is_open or not make_all_parts(scopes) then return reply('rebuild', {}) end
local unknown = unknown_windows(scopes)
if unknown then return reply('unknown', unknown) end
local status, detail = shortage(scopes, more)
if status then return reply(status == 'budget' and 'refused' or status, detail) end
count_call(row, more, 0)
row[AMOUNT] = hold
save_row(id, row)
return reply('granted', {})
