--[[
  Shared code of all scripts: arguments, clock, state, reply. budgets/redis/client/scripts.py prepends it to each.

  KEYS[1]  "omg:{t3}:meta" of tenant 3. Every other key is derived from it, and so is in the same hash slot.

  ARGV[1]  one msgpack array, `arg`. Each script describes its elements from [4] on.
    [1] run      string  run id of the Redis server that receives the script
    [2] now      double  monotonic seconds; -1: by the clock of Redis
    [3] instant  double  epoch seconds; -1: by the clock of Redis

  Types in arguments
    money   integer nano-USD below 9e15, which a double holds exactly
    scopes  {{scope, requests a minute, tokens a minute, parallel calls (-1: unlimited), budgets} ...}
    budgets {{window, start, stop, limit (nano-USD), since (left out if it is start)} ...}, times in epoch seconds;
            the place of a budget is its number over all scopes, from 0
    posts   {{scope, window, start, stop (epoch s), spent (nano-USD), version, added (nano-USD; -1: unknown),
            unsettled (nano-USD), return at (epoch s), returned (nano-USD), version of the return} ...}; the last three
            only of rolling windows

  Reply     one msgpack array {status, now, instant, detail, rates, money}
    detail  array; each script describes its statuses and their details
    rates   {requests, tokens, newest second or -1} of each scope; empty unless the script describes it
    money   {spent, settled, held, state (2: known, 1: not known, 0: no window), unsettled, return at, returned} of each
            budget; the last two only if something returns; empty unless the script describes it

  Effects of every script: the clock (seen, offset) in meta is advanced. If a part of the tenant is missing, the tenant
  is closed: run and token are deleted from meta, and lock.
]]
local meta = KEYS[1]
local base = string.sub(meta, 1, -5)
local arg = cmsgpack.unpack(ARGV[1])
local SPAN, BEFORE, QUARTER, SOME = 61, -1, 900, 1000
local MOST_AHEAD = 64
local DOUBT = arg[2] < 0 and 0.5 or 0 -- seconds; 0 with a caller's clock, which stands still while it waits
local FORMAT = '<ddddddddd'
local calls_key, life_key = base .. 'calls', base .. 'life'

local known_meta = redis.call('HMGET', meta, 'run', 'gen', 'forgot', 'seen', 'offset', 'token')
local is_open = known_meta[1] == arg[1]
local gen, forgot = tonumber(known_meta[2]) or 0, tonumber(known_meta[3]) or 0

-- The state of a tenant is complete or void: a client of Redis may delete one key of it. Each part is created with a
-- MARK in it, so it exists until it is deleted. `meta` records that the tenant's parts were made (`run`, `token`), and
-- in which generation those of each scope were (`of:<scope>`). If a part is missing, the tenant is closed and recovered
-- like after any loss; nothing is decided by the rest. Not parts: the rates (`ring`: they expire within a minute, and
-- no worker could send them again), and `lock` and `asked`, which only delay.
local MARK = '='
local state_of = {}

-- Close the tenant until the next recovery: delete run, token and lock.
local function close()
  is_open = false
  redis.call('HDEL', meta, 'run', 'token')
  redis.call('UNLINK', base .. 'lock')
end

if (is_open or known_meta[6]) and redis.call('EXISTS', calls_key, life_key) < 2 then close() end

-- scope -> its five part keys: money, owed, slots, aside, unsure.
local function parts_of(scope)
  return base .. 'money:' .. scope, base .. 'owed:' .. scope, base .. 'slots:' .. scope, base .. 'aside:' .. scope,
    base .. 'unsure:' .. scope
end

-- scope -> 'whole', 'none' (not made in this generation) or 'broken' (a part was lost; closes the tenant).
local function state(scope)
  local found = state_of[scope]
  if not found then
    found = 'whole'
    if tonumber(redis.call('HGET', meta, 'of:' .. scope) or BEFORE) ~= gen then
      found = 'none'
    elseif redis.call('EXISTS', parts_of(scope)) < 5 then
      found = 'broken'
      close()
    end
    state_of[scope] = found
  end
  return found
end

-- Make the parts of a scope if there are none. Returns whether they are complete.
local function make(scope)
  if state(scope) == 'none' then
    local money, owed, slots, aside, unsure = parts_of(scope)
    redis.call('UNLINK', money, owed, slots, aside, unsure)
    redis.call('HSET', money, MARK, struct.pack(FORMAT, 0, 0, 0, BEFORE, 0, 0, BEFORE, BEFORE, BEFORE))
    redis.call('HSET', owed, MARK, 0)
    redis.call('HSET', unsure, MARK, 0)
    redis.call('HSET', aside, MARK, struct.pack('<dd', 0, 0))
    redis.call('ZADD', slots, '-inf', MARK)
    redis.call('HSET', meta, 'of:' .. scope, string.format('%.0f', gen))
    state_of[scope] = 'whole'
  end
  return state_of[scope] == 'whole'
end

-- Make the parts of all scopes. Returns whether all are complete and the tenant is open.
local function are_whole(scopes)
  for _, s in ipairs(scopes) do
    if not make(s[1]) then return false end
  end
  return is_open
end

-- The clock of Redis, in seconds. `now` never goes back, for rates and leases; `instant` is the epoch time, for
-- windows.
local now, instant = arg[2], arg[3]
if now < 0 then
  local time = redis.call('TIME')
  instant = tonumber(time[1]) + tonumber(time[2]) / 1000000
  local seen, offset = tonumber(known_meta[4]) or 0, tonumber(known_meta[5]) or 0
  now = instant + offset
  if now < seen then
    offset = offset + seen - now
    now = seen
    redis.call('HSET', meta, 'offset', string.format('%.6f', offset))
  elseif now >= seen + 1 then
    redis.call('HSET', meta, 'seen', string.format('%.6f', math.floor(now)))
  end
end

-- Windows of money: one hash per scope, one field per window. `held` and `settled` are the sums of the rows in `calls`.
-- `spent` is the ledger's total at `version`, plus the amounts of posts that are `ahead` of a missing one (by version).
-- Up to `doubt` of it may be counted twice until `doubted`. For display only, what is not known to be spent: of the
-- total (`unsettled`, with the version of the newest post), and of the settled rows (`waiting`). Windows of a rolling
-- budget overlap, one a day; `first` is {epoch s, nano-USD, version} of what returns first; 0 if all was spent on its
-- last day. It is packed last: there may be none. `learnt` and `posted` are the values of `forgot` at the last load and
-- post.
local monies = {}

-- scope -> its windows of this generation by name, read once a script.
local function money_of(scope)
  local found = monies[scope]
  if found then return found end
  found = {}
  monies[scope] = found
  if state(scope) ~= 'whole' then return found end
  local all = redis.call('HGETALL', base .. 'money:' .. scope)
  for i = 1, #all, 2 do
    local start, until_, spent, version, held, settled, of_gen, learnt, posted, rest = struct.unpack(FORMAT, all[i + 1])
    if of_gen == gen then
      local more = rest <= #all[i + 1] and cmsgpack.unpack(string.sub(all[i + 1], rest)) or {{}, 0, 0, 0, 0, 0}
      found[all[i]] = {name = all[i], start = start, stop = until_, spent = spent, version = version, held = held,
        settled = settled, learnt = learnt, posted = posted, known = learnt == forgot, ahead = more[1],
        doubt = more[2], doubted = more[3], waiting = more[4] or 0, unsettled = more[5] or 0,
        told = more[6] or 0, first = more[7]}
    end
  end
  return found
end

-- Write one window of a scope.
local function save(scope, w)
  local more = ''
  if w.waiting > 0 or w.unsettled > 0 or next(w.ahead) or w.doubted > now or w.first then
    more = cmsgpack.pack({w.ahead, w.doubt, w.doubted, w.waiting, w.unsettled, w.told, w.first})
  end
  redis.call('HSET', base .. 'money:' .. scope, w.name, struct.pack(FORMAT, w.start, w.stop, w.spent, w.version,
    w.held, w.settled, gen, w.learnt, w.posted) .. more)
end

-- Merge posts that follow the total without a gap into it; posts of several workers overtake each other.
local function close_up(w)
  while w.ahead[w.version + 1] do
    w.version = w.version + 1
    w.ahead[w.version] = nil
  end
end

-- Take over the first return of a post, if its version is not older than the stored one.
local function returns(w, post)
  local at, amount, version = post[9], post[10], post[11]
  if at and (not w.first or version >= w.first[3]) then w.first = {at, amount, version} end
end

-- Replace the window's total (nano-USD) by that of `version`. For up to DOUBT seconds calls that are still counted here
-- may also be in it, until the post of their worker arrives.
local function total(w, spent, version, unsettled)
  w.spent, w.version = spent, version
  for at, added in pairs(w.ahead) do
    if at > version then w.spent = w.spent + added else w.ahead[at] = nil end
  end
  if not next(w.ahead) then w.unsettled, w.told = unsettled or 0, version end
  close_up(w)
  local doubt = w.settled + w.held
  if doubt > 0 then w.doubt, w.doubted = doubt, now + DOUBT end
end

-- Add one batch of the ledger (`added` nano-USD) once; its calls leave the counts in the same step. If `added` is
-- unknown (-1), or more than MOST_AHEAD versions wait for a missing one, the ledger's total replaces the sum; also if
-- that version has arrived, because one before it may be missing.
local function add(w, spent, version, added, unsettled)
  if version <= w.version or added == 0 then return end
  if added < 0 then return total(w, spent, version, unsettled) end
  if w.ahead[version] then return end
  if version >= w.told then w.unsettled, w.told = unsettled or 0, version end
  w.spent = w.spent + added
  w.ahead[version] = added
  close_up(w)
  local count = 0
  for _ in pairs(w.ahead) do count = count + 1 end
  if count > MOST_AHEAD then total(w, spent, version, unsettled) end
end

-- A row: {amount (nano-USD), tokens, instant (epoch s), is settled, is posted (0 | 1), worker, scope, its second in the
-- ring, scope, second ...}. Once it is settled, the unsettled part of its amount is in the place of the tokens.
local FIRST = 7
-- request id -> its row, or false.
local function row_of(id)
  local packed = redis.call('HGET', calls_key, id)
  return packed and cmsgpack.unpack(packed)
end

-- Write the row of a request id.
local function keep(id, row)
  redis.call('HSET', calls_key, id, cmsgpack.pack(row))
end

-- Add `settled` nano-USD to a quarter of an hour of 'owed:' (settled rows) or 'unsure:' (their unsettled part), so that
-- a new window need not read the rows: windows begin and end at local midnights, and a quarter of UTC is one in every
-- zone since 1972. Fields of 0 are deleted.
local function tally(what, scope, quarter, settled)
  local key = base .. what .. scope
  if make(scope) and redis.call('HINCRBY', key, quarter, settled) == 0 then redis.call('HDEL', key, quarter) end
end

-- The sum (nano-USD) of the quarters of 'owed:' or 'unsure:' in [start, stop), epoch seconds.
local function owed_in(what, scope, start, stop)
  local sum, key = 0, base .. what .. scope
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local of_gen, quarter = string.match(all[i], '^(%d+)|(-?%d+)$')
    local at = (tonumber(quarter) or 0) * QUARTER
    if tonumber(of_gen) == gen and start <= at and at < stop then
      sum = sum + tonumber(all[i + 1])
    end
  end
  return sum
end

-- The holds (nano-USD) of the scope's running calls that were granted in [start, stop). A call is in `slots` until it
-- ends, also after its lease.
local function held_in(scope, start, stop)
  local sum, key = 0, base .. 'slots:' .. scope
  local ids = redis.call('ZRANGE', key, 1, -1) -- 0 is the MARK
  for i = 1, #ids, SOME do
    local last = math.min(i + SOME - 1, #ids)
    for n, packed in ipairs(redis.call('HMGET', calls_key, unpack(ids, i, last))) do
      local row = packed and cmsgpack.unpack(packed)
      if not row then
        redis.call('ZREM', key, ids[i + n - 1])
      elseif row[4] == 0 and row[5] == 0 and start <= row[3] and row[3] < stop then
        sum = sum + row[1]
      end
    end
  end
  return sum
end

-- Add nano-USD to held, settled and waiting (the unsettled part) of the row's scopes, in every window with its instant.
local function count(row, held, settled, waiting)
  if row[5] == 1 or (held == 0 and settled == 0) then return end
  local quarter = settled ~= 0 and gen .. '|' .. math.floor(row[3] / QUARTER)
  waiting = waiting or 0
  for i = FIRST, #row, 2 do
    if quarter then tally('owed:', row[i], quarter, settled) end
    if waiting ~= 0 then tally('unsure:', row[i], quarter, waiting) end
    for _, w in pairs(money_of(row[i])) do
      if w.start <= row[3] and row[3] < w.stop then
        w.held, w.settled = w.held + held, w.settled + settled
        w.waiting = w.waiting + waiting
        save(row[i], w)
      end
    end
  end
end

-- Remove a call from the counts, `calls` and `life`.
local function leave(id, row)
  if row[4] == 1 then count(row, 0, -row[1], -row[2]) else count(row, -row[1], 0) end
  redis.call('HDEL', calls_key, id)
  redis.call('ZREM', life_key, id)
end

-- Remove a call from the slots of its scopes.
local function free_slots(id, row)
  for i = FIRST, #row, 2 do redis.call('ZREM', base .. 'slots:' .. row[i], id) end
end

-- Renew a running call: its slots for `lease` seconds, its row for `orphan` seconds.
local function live_on(id, row, lease, orphan)
  redis.call('ZADD', life_key, now + orphan, id)
  for i = FIRST, #row, 2 do
    if make(row[i]) then redis.call('ZADD', base .. 'slots:' .. row[i], now + lease, id) end
  end
end

-- Drop up to 100 calls whose time in `life` is over (orphans), with their holds and slots.
local function look()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', life_key, '-inf', now, 'LIMIT', 0, 100)) do
    local row = row_of(id)
    if row then
      leave(id, row)
      free_slots(id, row)
      redis.call('HINCRBY', meta, 'orphans', 1)
    else
      redis.call('ZREM', life_key, id)
    end
  end
end

-- Return the window; create it if it is missing, with the sums of the rows. Its total is loaded from the ledger later.
-- Windows of the scope that ended a day ago and count no call are deleted.
local function register(scope, name, start, stop)
  make(scope)
  local w = money_of(scope)[name]
  if w then return w end
  w = {name = name, start = start, stop = stop, spent = 0, version = BEFORE, held = held_in(scope, start, stop),
    settled = owed_in('owed:', scope, start, stop), learnt = BEFORE, posted = BEFORE, known = false, ahead = {}, doubt = 0,
    doubted = 0, waiting = owed_in('unsure:', scope, start, stop), unsettled = 0, told = 0}
  for other, old in pairs(money_of(scope)) do
    if old.stop + 86400 < instant and old.held == 0 and old.settled == 0 then
      redis.call('HDEL', base .. 'money:' .. scope, other)
      money_of(scope)[other] = nil
    end
  end
  money_of(scope)[name] = w
  save(scope, w)
  return w
end

-- Take over loaded totals (`posts`) of windows that are not known. A known window receives every batch, so a total that
-- was loaded meanwhile would count some calls twice.
local function learn(posts)
  for _, post in ipairs(posts) do
    local w = register(post[1], post[2], post[3], post[4])
    if not w.known then
      if post[6] > w.version or w.posted ~= forgot then
        if post[6] < w.version then w.ahead = {} end -- the ledger was put back to an older state
        total(w, post[5], post[6], post[8])
      end
      if w.posted ~= forgot then w.first = nil end
      returns(w, post)
      w.learnt, w.known = forgot, true
      save(post[1], w)
    end
  end
end

-- Rates of a scope: one field for each second with its requests and tokens, their sums r and t, and the range (lo, hi].
local rings = {}

-- scope -> its ring, without the seconds that are older than SPAN.
local function ring_of(scope)
  local ring = rings[scope]
  if ring then return ring end
  local key = base .. 'ring:' .. scope
  local v = redis.call('HMGET', key, 'r', 't', 'lo', 'hi')
  ring = {key = key, r = tonumber(v[1]) or 0, t = tonumber(v[2]) or 0, lo = tonumber(v[3]), hi = tonumber(v[4])}
  rings[scope] = ring
  local gone = math.floor(now) - SPAN
  if not ring.hi or gone <= ring.lo then return ring end
  if gone >= ring.hi then
    redis.call('DEL', key)
    ring.r, ring.t, ring.lo, ring.hi = 0, 0, nil, nil
    return ring
  end
  local seconds = {}
  for n = ring.lo + 1, gone do seconds[#seconds + 1] = string.format('%.0f', n) end
  for _, packed in ipairs(redis.call('HMGET', key, unpack(seconds))) do
    if packed then
      local r, t = struct.unpack('<dd', packed)
      ring.r, ring.t = ring.r - r, ring.t - t
    end
  end
  redis.call('HDEL', key, unpack(seconds))
  ring.lo = gone
  redis.call('HSET', key, 'r', string.format('%.0f', ring.r), 't', string.format('%.0f', ring.t),
    'lo', string.format('%.0f', gone))
  return ring
end

-- Add r requests and t tokens to second n.
local function change_second(ring, n, r, t)
  local field = string.format('%.0f', n)
  local packed = redis.call('HGET', ring.key, field)
  local r0, t0 = 0, 0
  if packed then r0, t0 = struct.unpack('<dd', packed) end
  ring.r, ring.t = ring.r + r, ring.t + t
  redis.call('HSET', ring.key, field, struct.pack('<dd', r0 + r, t0 + t), 'r', string.format('%.0f', ring.r),
    't', string.format('%.0f', ring.t), 'lo', string.format('%.0f', ring.lo), 'hi', string.format('%.0f', ring.hi))
end

-- Count one request and its tokens now. Returns the second in which they are counted.
local function take(scope, tokens)
  local ring, n = ring_of(scope), math.floor(now)
  if ring.hi and ring.hi > n then n = ring.hi end
  if not ring.hi then ring.lo = n - SPAN end
  ring.hi = n
  change_second(ring, n, 1, tokens)
  redis.call('EXPIRE', ring.key, 70)
  return n
end

-- Add a difference of tokens to a second, if it still counts.
local function correct(scope, second, tokens)
  local ring = ring_of(scope)
  if tokens ~= 0 and ring.hi and second > ring.lo and second <= ring.hi then change_second(ring, second, 0, tokens) end
end

-- The second that frees `excess` requests or tokens when it leaves the ring, or -1 if the ring is empty.
local function freed_by(ring, excess, is_tokens)
  if not ring.hi then return -1 end
  for n = ring.lo + 1, ring.hi do
    local packed = redis.call('HGET', ring.key, string.format('%.0f', n))
    if packed then
      local r, t = struct.unpack('<dd', packed)
      excess = excess - (is_tokens and t or r)
      if excess <= 0 then return n end
    end
  end
  return ring.hi
end

-- scopes -> rates and money of the reply.
local function readings(scopes)
  local rates, money = {}, {}
  for i, s in ipairs(scopes) do
    local ring = ring_of(s[1])
    rates[i] = {ring.r, ring.t, ring.hi or -1}
    for _, b in ipairs(s[5]) do
      local w = money_of(s[1])[b[1]]
      local reading = {0, 0, 0, 0, 0}
      if w then
        local unsettled = math.min(w.unsettled + w.waiting, w.spent + w.settled)
        reading = {w.spent, w.settled, w.held, w.known and 2 or 1, unsettled}
        if w.first and w.first[2] > 0 then reading[6], reading[7] = w.first[1], w.first[2] end
      end
      money[#money + 1] = reading
    end
  end
  return rates, money
end

-- Pack the reply; without scopes its rates and money are empty.
local function answer(status, detail, scopes)
  local rates, money = readings(scopes or {})
  return cmsgpack.pack({status, now, instant, detail, rates, money})
end

-- {gen, forgot, places of the budgets whose totals must be loaded from the ledger}, or false if there are none. Their
-- windows are registered, so that posts reach them.
local function unknown_of(scopes)
  local missing, place = {gen, forgot}, 0
  for _, s in ipairs(scopes) do
    for _, b in ipairs(s[5]) do
      if not register(s[1], b[1], b[2], b[3]).known then missing[#missing + 1] = place end
      place = place + 1
    end
  end
  return #missing > 2 and missing
end

-- Whether by the clock of Redis another window counts than that of budget b.
local function is_past(b)
  return instant < (b[5] or b[2]) or instant >= b[3]
end

-- The sum (nano-USD) of the outage allowances of a scope (set_aside.lua); their workers are appended to `holders`.
local function aside_of(scope, holders)
  local sum = 0
  local all = redis.call('HGETALL', base .. 'aside:' .. scope)
  for i = 1, #all, 2 do
    local amount, stop = struct.unpack('<dd', all[i + 1])
    if stop > now then
      sum = sum + amount
      holders[#holders + 1] = all[i]
    elseif all[i] ~= MARK then
      redis.call('HDEL', base .. 'aside:' .. scope, all[i])
    end
  end
  return sum
end

-- Why `more` nano-USD do not fit into every budget, or nothing: 'budget' and the place of the tightest one; 'doubt' if
-- it may fit once doubt ends; 'aside' and the workers whose allowances are in the way. Then nothing is set aside of
-- those scopes for a minute (`asked`).
local function shortage(scopes, more)
  local least, which, place, tight, holders, doubted = nil, 0, 0, {}, {}, false
  for _, s in ipairs(scopes) do
    local names = {}
    local aside = #s[5] > 0 and aside_of(s[1], names) or 0
    local is_tight = false
    for _, b in ipairs(s[5]) do
      local w = money_of(s[1])[b[1]]
      local room = b[4] - w.spent - w.settled - w.held
      if room < more and w.doubted > now and room + w.doubt >= more then
        doubted = true
      elseif not least or room < least then
        least, which = room, place
      end
      if room - aside < more then is_tight = true end
      place = place + 1
    end
    if is_tight and aside > 0 then
      tight[#tight + 1] = s[1]
      for _, name in ipairs(names) do holders[#holders + 1] = name end
    end
  end
  if least and least < more then return 'budget', {which} end
  if doubted then return 'doubt', {} end
  for _, scope in ipairs(tight) do redis.call('SET', base .. 'asked:' .. scope, 1, 'EX', 60) end
  if #tight > 0 then return 'aside', holders end
end
