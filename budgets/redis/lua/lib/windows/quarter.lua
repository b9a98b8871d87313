-- Settled amounts are also summed by quarters of an hour (seconds), so that a new window need not read the rows:
-- windows begin and end at local midnights, and a quarter of UTC is one in every zone since 1972. In 'owed:' are the
-- settled rows, in 'unsure:' is their unsettled part; a field is '<gen>|<quarter>', its value nano-USD.
local QUARTER = 900
