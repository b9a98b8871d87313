--- @include "lib/rows/window"
--- @include "lib/tenant/clock"
--- @include "lib/tenant/tenant"
-- Write one window (lib/windows/windows_of.lua) of a scope to 'money:'.
local function save_window(scope, window)
  local more = ''
  if window.waiting > 0 or window.unsettled > 0 or next(window.ahead) or window.doubted > now or window.first then
    more = cmsgpack.pack({window.ahead, window.doubt, window.doubted, window.waiting, window.unsettled,
      window.unsettled_at, window.first})
  end
  redis.call('HSET', base .. 'money:' .. scope, window.name, struct.pack(WINDOW_FORMAT, window.start, window.stop,
    window.spent, window.version, window.held, window.settled, gen, window.loaded, window.posted) .. more)
end
