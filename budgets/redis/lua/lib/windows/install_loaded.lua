--- @include "lib/rows/post"
--- @include "lib/tenant/tenant"
--- @include "lib/windows/install_total"
--- @include "lib/windows/register_window"
--- @include "lib/windows/save_window"
--- @include "lib/windows/take_first_return"
-- Take over loaded totals (an array of lib/rows/post.lua) of windows that are not known. A known window receives every
-- batch, so a total that was loaded meanwhile would count some calls twice. Writes money.
local function install_loaded(posts)
  for _, post in ipairs(posts) do
    local scope, version = post[POST_SCOPE], post[POST_VERSION]
    local window = register_window(scope, post[POST_WINDOW], post[POST_START], post[POST_STOP])
    if not window.known then
      if version > window.version or window.posted ~= forgot then
        if version < window.version then window.ahead = {} end -- the ledger was put back to an older state
        install_total(window, post[POST_SPENT], version, post[POST_UNSETTLED])
      end
      if window.posted ~= forgot then window.first = nil end
      take_first_return(window, post)
      window.loaded, window.known = forgot, true
      save_window(scope, window)
    end
  end
end
