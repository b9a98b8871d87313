-- How a window is packed in 'money:' (lib/windows/windows_of.lua): start, stop, spent, version, held, settled,
-- generation, loaded, posted; then msgpack, if there is more. BEFORE: the version, or the generation, of nothing.
local WINDOW_FORMAT, BEFORE = '<ddddddddd', -1
