-- What returns first to a rolling window: when (epoch s), how much (nano-USD; 0: all was spent on its last day), and
-- the version of the window when it was read.
local RETURN_AT, RETURNED, RETURN_VERSION = 1, 2, 3
