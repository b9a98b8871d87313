--- @include "lib/rows/first_return"
--- @include "lib/rows/post"
-- Take over the first return of a post (lib/rows/post.lua), if its version is not older than the window's.
-- Changes the window in memory.
local function take_first_return(window, post)
  local at, amount, version = post[POST_RETURN_AT], post[POST_RETURNED], post[POST_RETURN_VERSION]
  if at and (not window.first or version >= window.first[RETURN_VERSION]) then window.first = {at, amount, version} end
end
