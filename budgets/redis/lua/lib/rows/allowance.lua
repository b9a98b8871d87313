-- How an outage allowance is packed in 'aside:': nano-USD, and until when it is kept (s, by `now`).
local ALLOWANCE_FORMAT = '<dd'
