-- {run, now, instant, gen, forgot, posts}: what the ledger answered; void if everything was forgotten meanwhile.
if gen == arg[4] and forgot == arg[5] then learn(arg[6]) end
return answer('learnt', {})
