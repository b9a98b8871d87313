-- Merge posts that follow the total of a window without a gap into it; posts of several workers overtake each other.
-- Changes the window in memory.
local function merge_ahead(window)
  while window.ahead[window.version + 1] do
    window.version = window.version + 1
    window.ahead[window.version] = nil
  end
end
