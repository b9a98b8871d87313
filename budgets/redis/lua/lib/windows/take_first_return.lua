--- @include "lib/rows/post"
-- Take over the first return of a post (lib/rows/post.lua), if its version is not older than the window's.
-- Changes the window in memory.
local function take_first_return(window, post)
  local at, amount, version = post[POST_RETURN_AT], post[POST_RETURNED], post[POST_RETURN_VERSION]
  local _, _, known_version = unpack(window.first or {})
  if at and (not known_version or version >= known_version) then window.first = {at, amount, version} end
end
