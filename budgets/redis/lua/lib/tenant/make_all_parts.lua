--- @include "lib/rows/scope"
--- @include "lib/tenant/make_parts"
--- @include "lib/tenant/tenant"
-- Make the parts of all scopes (lib/rows/scope.lua). Returns whether all are complete and the tenant is open.
local function make_all_parts(scopes)
  for _, rules in ipairs(scopes) do
    if not make_parts(rules[SCOPE]) then return false end
  end
  return is_open
end
