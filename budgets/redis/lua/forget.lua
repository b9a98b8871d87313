-- {run, now, instant}: every total must be asked of the ledger again; what calls hold stays.
redis.call('HINCRBY', meta, 'forgot', 1)
return answer('forgotten', {})
