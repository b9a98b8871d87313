--[[
  Grants one call in every scope, or refuses it and changes no count.
  Called by RedisAdmission.admit.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/tenant/tenant.lua):
    [4] id       string   request id
    [5] tokens   integer  tokens to reserve in each scope
    [6] hold     integer  nano-USD to hold in each budget; 0: none
    [7] lease    double   seconds that the slots are held
    [8] orphan   double   seconds after which the call is dropped unless renewed
    [9] scopes   array    lib/rows/scope.lua
    [10] worker  string   the worker of the call

  Reply: status {detail}; all but "rebuild", "window" and "unknown" with rates and money (lib/reply/readings.lua)
    "granted"   {second in the ring of each scope}; counted and held
    "known"     {}  the id was granted before; nothing changed
    "rebuild"   {}  the tenant is closed: recover it
    "parallel"  {place of the scope from 0, -1}
    "requests"  {place of the scope, second that frees enough when it leaves the ring, or -1}
    "tokens"    {place of the scope, second that frees enough when it leaves the ring, or -1}
    "window"    {}  another window counts by the clock of Redis
    "unknown"   {gen, forgot, places of the budgets to load}
    "budget"    {place of the tightest budget}
    "doubt"     {}  it may fit when the doubt ends, within half a second
    "aside"     {workers whose allowances must be given back}

  Effects
    always     orphans are dropped; missing parts of a scope are made
    "granted"  calls, life, slots, money (held), ring
    "unknown"  money: the windows are registered
    "aside"    asked, for 60 s
]]
--- @include "lib/allowances/shortage"
--- @include "lib/calls/count_call"
--- @include "lib/calls/drop_orphans"
--- @include "lib/calls/renew_call"
--- @include "lib/calls/row_of"
--- @include "lib/calls/save_row"
--- @include "lib/rates/count_request"
--- @include "lib/rates/freed_by"
--- @include "lib/rates/ring_of"
--- @include "lib/reply/reply"
--- @include "lib/reply/reply_with_readings"
--- @include "lib/rows/scope"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/make_all_parts"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/has_ended"
--- @include "lib/windows/unknown_windows"
local id, tokens, hold, lease, orphan, scopes, worker = unpack(arg, 4)
drop_orphans()
if row_of(id) then return reply_with_readings('known', {}, scopes) end
if not is_open or not make_all_parts(scopes) then return reply('rebuild', {}) end
for i, rules in ipairs(scopes) do
  local scope = rules[SCOPE]
  local most_requests, most_tokens, most_parallel = rules[REQUESTS], rules[TOKENS], rules[PARALLEL]
  local ring, slots = ring_of(scope), base .. 'slots:' .. scope
  if most_parallel >= 0 and redis.call('ZCARD', slots) > most_parallel -- with the MARK
    and redis.call('ZCOUNT', slots, string.format('(%.17g', now), '+inf') >= most_parallel then
    return reply_with_readings('parallel', {i - 1, -1}, scopes)
  end
  if most_requests >= 0 and ring.r >= most_requests then
    local second = freed_by(ring, ring.r + 1 - most_requests, false)
    return reply_with_readings('requests', {i - 1, second}, scopes)
  end
  if most_tokens >= 0 and ring.t + tokens > most_tokens then
    local second = freed_by(ring, ring.t + tokens - most_tokens, true)
    return reply_with_readings('tokens', {i - 1, second}, scopes)
  end
end
for _, rules in ipairs(scopes) do
  for _, budget in ipairs(rules[BUDGETS]) do
    if has_ended(budget) then return reply('window', {}) end
  end
end
local unknown = unknown_windows(scopes)
if unknown then return reply('unknown', unknown) end
if hold > 0 then
  local status, detail = shortage(scopes, hold)
  if status then return reply_with_readings(status, detail, scopes) end
end
local row = {hold, tokens, instant, 0, 0, worker}
local seconds = {}
for i, rules in ipairs(scopes) do
  local second = count_request(rules[SCOPE], tokens)
  seconds[i] = second
  row[#row + 1] = rules[SCOPE]
  row[#row + 1] = second
end
save_row(id, row)
renew_call(id, row, lease, orphan)
count_call(row, hold, 0)
return reply_with_readings('granted', seconds, scopes)
