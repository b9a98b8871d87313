--[[
  Renews running calls, and returns those that are not in `calls`.
  Called by Outbox.renew.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] lease   double  seconds that the slots are held
    [5] orphan  double  seconds after which a call is dropped unless renewed again
    [6] ids     array   request ids

  Reply: status {detail}
    "renewed"  {ids that are not known}
    "rebuild"  {ids that are not known}; the tenant is closed

  Effects: orphans are dropped; life and slots of running calls; missing parts of their scopes are made.
]]
--- @include "lib/calls/drop_orphans"
--- @include "lib/calls/renew_call"
--- @include "lib/calls/row_of"
--- @include "lib/reply/reply"
--- @include "lib/rows/call"
--- @include "lib/tenant/tenant"
local lease, orphan, ids = unpack(arg, 4)
drop_orphans()
local missing = {}
for _, id in ipairs(ids) do
  local row = row_of(id)
  if not row then
    missing[#missing + 1] = id
  elseif row[IS_SETTLED] == 0 then
    renew_call(id, row, lease, orphan)
  end
end
return reply(is_open and 'renewed' or 'rebuild', missing)
