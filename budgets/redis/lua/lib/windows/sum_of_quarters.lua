--- @include "lib/tenant/tenant"
--- @include "lib/windows/quarter"
-- The sum (nano-USD) of the quarters of 'owed:' or 'unsure:' (`hash`) of a scope in [start, stop), epoch seconds.
local function sum_of_quarters(hash, scope, start, stop)
  local sum = 0
  local fields = redis.call('HGETALL', base .. hash .. scope)
  for i = 1, #fields, 2 do
    local of_gen, quarter = string.match(fields[i], '^(%d+)|(-?%d+)$')
    local at = (tonumber(quarter) or 0) * QUARTER
    if tonumber(of_gen) == gen and start <= at and at < stop then
      sum = sum + tonumber(fields[i + 1])
    end
  end
  return sum
end
