--[[
  Grants one call in every scope, or refuses it and changes no count.
  Called by RedisAdmission.admit.

  KEYS[1]  meta key of the tenant

  ARGV[1]  after [1] run, [2] now, [3] instant (lib/prelude.lua):
    [4] id       string   request id
    [5] tokens   integer  tokens to reserve in each scope
    [6] hold     integer  nano-USD to hold in each budget; 0: none
    [7] lease    double   seconds that the slots are held
    [8] orphan   double   seconds after which the call is dropped unless renewed
    [9] scopes   array    prelude.lua
    [10] worker  string   the worker of the call

  Reply: status {detail}; all but "rebuild", "window" and "unknown" with rates and money
    "granted"   {second in the ring of each scope}
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
    always     orphans are dropped (look); missing parts of a scope are made
    granted    calls, life, slots, money (held), ring
    other      money: windows that are not known are registered; "aside": asked, for 60 s
]]
local id, tokens, hold, scopes = arg[4], arg[5], arg[6], arg[9]
look()
if row_of(id) then return answer('known', {}, scopes) end
if not is_open or not are_whole(scopes) then return answer('rebuild', {}) end
for i, s in ipairs(scopes) do
  local ring, slots = ring_of(s[1]), base .. 'slots:' .. s[1]
  if s[4] >= 0 and redis.call('ZCARD', slots) > s[4] -- with the MARK
    and redis.call('ZCOUNT', slots, string.format('(%.17g', now), '+inf') >= s[4] then
    return answer('parallel', {i - 1, -1}, scopes)
  end
  if s[2] >= 0 and ring.r >= s[2] then
    return answer('requests', {i - 1, freed_by(ring, ring.r + 1 - s[2], false)}, scopes)
  end
  if s[3] >= 0 and ring.t + tokens > s[3] then
    return answer('tokens', {i - 1, freed_by(ring, ring.t + tokens - s[3], true)}, scopes)
  end
end
for _, s in ipairs(scopes) do
  for _, b in ipairs(s[5]) do
    if is_past(b) then return answer('window', {}) end
  end
end
local unknown = unknown_of(scopes)
if unknown then return answer('unknown', unknown) end
if hold > 0 then
  local status, detail = shortage(scopes, hold)
  if status then return answer(status, detail, scopes) end
end
local row = {hold, tokens, instant, 0, 0, arg[10]}
local seconds = {}
for i, s in ipairs(scopes) do
  seconds[i] = take(s[1], tokens)
  row[#row + 1] = s[1]
  row[#row + 1] = seconds[i]
end
keep(id, row)
live_on(id, row, arg[7], arg[8])
count(row, hold, 0)
return answer('granted', seconds, scopes)
