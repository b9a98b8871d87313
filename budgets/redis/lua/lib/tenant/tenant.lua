--[[
  The tenant that a script works on: its keys, its arguments, whether it is open. Every script includes this.

  KEYS[1]  "omg:{t3}:meta" of tenant 3. Every other key is derived from it, and so is in the same hash slot.

  ARGV[1]  one msgpack array, `arg`. Each script describes its elements from [4] on.
    [1] run      string  run id of the Redis server that receives the script
    [2] now      double  monotonic seconds; -1: by the clock of Redis
    [3] instant  double  epoch seconds; -1: by the clock of Redis
  Money is integer nano-USD below 9e15, which a double holds exactly.

  Provides
    meta, base           the key of meta, and the start of all keys of the tenant
    calls_key, life_key  of the rows by request id, and of the times when they are dropped
    is_open              whether the tenant is open: `run` in meta is that of this server
    gen, forgot          its generation; how often all totals were made unknown
    meta_seen, meta_offset  of the clock (lib/tenant/clock.lua)

  The state of a tenant is complete or void: a client of Redis may delete one key of it. Each part is created with a
  MARK in it, so it exists until it is deleted. `meta` records that the tenant's parts were made (`run`, `token`), and
  in which generation those of each scope were (`of:<scope>`). If a part is missing, the tenant is closed and recovered
  like after any loss; nothing is decided by the rest. Not parts: the rates (`ring`: they expire within a minute, and
  no worker could send them again), and `lock` and `asked`, which only delay.

  Effects of every script: the clock in meta is advanced (lib/tenant/clock.lua). If a part is missing, of the tenant or
  of a scope that the script uses, the tenant is closed: run and token are deleted from meta, and lock.
]]
local meta = KEYS[1]
local base = string.sub(meta, 1, -5)
local arg = cmsgpack.unpack(ARGV[1])
local calls_key, life_key = base .. 'calls', base .. 'life'
local MARK = '='

local meta_run, meta_gen, meta_forgot, meta_seen, meta_offset, meta_token =
  unpack(redis.call('HMGET', meta, 'run', 'gen', 'forgot', 'seen', 'offset', 'token'))
local is_open = meta_run == arg[1]
local gen, forgot = tonumber(meta_gen) or 0, tonumber(meta_forgot) or 0

-- Close the tenant until the next recovery: delete run, token and lock.
local function close_tenant()
  is_open = false
  redis.call('HDEL', meta, 'run', 'token')
  redis.call('UNLINK', base .. 'lock')
end

if (is_open or meta_token) and redis.call('EXISTS', calls_key, life_key) < 2 then close_tenant() end
