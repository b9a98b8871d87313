--[[
  Renews running calls, and returns those that are not in `calls`.
  Called by Outbox.renew.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] lease   double  seconds that the slots are held
    [5] orphan  double  seconds after which a call is dropped unless renewed again
    [6] ids     array   request ids

  Reply: status {detail}
    "renewed"  {ids that are not known}
    "rebuild"  {ids that are not known}; the tenant is closed

  Effects: orphans are dropped (look); life and slots of running calls.
]]
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
