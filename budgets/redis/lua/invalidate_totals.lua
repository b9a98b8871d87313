--[[
  Makes every total unknown, so that each is loaded from the ledger again; holds stay.
  Called by RedisAdmission.invalidate.

  KEYS[1]  meta key of the tenant

  ARGV[1]  [1] run, [2] now, [3] instant (lib/tenant/tenant.lua); nothing else

  Reply: status {detail}
    "forgotten"  {}

  Effects: meta, forgot is raised by 1.
]]
--- @include "lib/reply/reply"
--- @include "lib/tenant/tenant"
redis.call('HINCRBY', meta, 'forgot', 1)
return reply('forgotten', {})
