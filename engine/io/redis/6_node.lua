-- Nodes: who may ask, what ends with whom, and what each still has to be told.

-- Whoever asks is the one that said hello last, and has not been ended since.
function Q.knows_asker()
    local known = call('HMGET', key('node', node), 'session', 'life', 'ended')
    return known[1] == session and known[2] == life and not known[3]
end

-- Claims of a node go back, in its list `kind`: false while some are left for the next run.
local function end_claims(kind, of)
    Q.give_back_all(call('ZRANGE', key(kind, of), 0, CLAIMS - 1))
    return call('ZCARD', key(kind, of)) == 0
end

-- They are not told: their node asks anew if it still wants to.
local function drop_waits(of)
    local touched = {}
    for _, text in ipairs(call('HVALS', key('waits', of))) do
        local wait = cmsgpack.unpack(text)
        Q.leave(wait)
        if wait.kind == 'makers' then touched[wait.name] = true end
    end
    for name in pairs(touched) do Q.serve(Q.load(name)) end
end

-- Numbers below `oldest` have their answers: nothing that still arrives with one of them counts.
function Q.prune()
    local k = key('node', node)
    local low = tonumber(call('HGET', k, 'low') or '0')
    if oldest <= low then return end
    for from = low, oldest - 1, CHUNK do
        local gone = {}
        for n = from, math.min(from + CHUNK, oldest) - 1 do gone[#gone + 1] = str(n) end
        call('HDEL', key('answers', node), unpack(gone))
    end
    call('HSET', k, 'low', str(oldest))
end

-- Whether the asker's session looks as if it were over: a newer one is known, or it was ended.
local function is_over(known)
    local s, l = tonumber(known[1]), tonumber(known[2])
    if known[1] == session and known[3] == '1' then return true end
    return s > tonumber(session) or (s == tonumber(session) and l > tonumber(life))
end

-- What the asker's predecessor leaves. A daemon that came back within its session goes on with what
-- was not bound to its life; one that lost its session in the same life has lost all. False while
-- some is left.
local function succeed(known)
    drop_waits(node)
    if not end_claims('bound', node) then return false end
    if known[2] == life then return end_claims('held', node) end
    call('DEL', key('answers', node), key('ends', node))
    return true
end

-- The epoch "session:life" that may be succeeded although the asker looks as if it were of the past,
-- or nothing. Answers ok; or more: it has to be said again; ended: the session is; over: so it seems,
-- and the epoch that is known.
function others.hello()
    local k = key('node', node)
    local known = call('HMGET', k, 'session', 'life', 'ended')
    Q.insist()
    if known[1] == session and known[2] == life and known[3] ~= '2' then
        if known[3] then return {'ended'} end
        Q.prune()
        return {'ok'}
    end
    if known[1] then
        local epoch = known[1] .. ':' .. known[2]
        if is_over(known) and arg(1) ~= epoch then return {'over', epoch} end
        call('HSET', k, 'ended', '2') -- by its heir: nobody may ask until that is through
        if not succeed(known) then return {'more'} end
    end
    if known[2] ~= life then call('HSET', k, 'low', str(oldest)) end
    call('HSET', k, 'session', session, 'life', life)
    call('HDEL', k, 'ended')
    call('SADD', P .. 'nodes', node)
    Q.prune()
    return {'ok'}
end

-- a node, and its session which is over for good. Answers ok, or more: it has to be said again.
others['end'] = function()
    local k = key('node', arg(1))
    if call('HGET', k, 'session') ~= arg(2) then return {'ok'} end
    Q.insist()
    call('HSET', k, 'ended', '1')
    drop_waits(arg(1))
    local done = end_claims('bound', arg(1)) and end_claims('held', arg(1))
    return {done and 'ok' or 'more'}
end

-- What became of the request `number` as far as that is known: {word, value}, or nil. A consume that
-- was handed claims which are none any more is as one that was never asked: nobody has seen them.
function Q.outcome(name, consumes)
    local text = call('HGET', key('ends', node), ARGV[5]) or
                 call('HGET', key('answers', node), ARGV[5])
    if not text then return nil end
    local word, value = text:match('^(%S+) (.*)$')
    if word == 'ok' and consumes then
        local q = Q.load(name)
        value = q and Q.tell_claims(q, value)
        if not value then return nil end
    end
    return {word, value}
end

-- name, whether it consumes
function others.poll()
    if call('HEXISTS', key('waits', node), ARGV[5]) == 1 then return {'queued'} end
    local told = Q.outcome(arg(1), arg(2) == '1')
    if not told or told[1] == 'queued' then return {'unknown'} end
    return told
end

-- The request `number` is not to be done any more; if it is done already, its answer. As above.
function others.cancel()
    local wait = Q.find_wait(node, ARGV[5])
    local told = not wait and Q.outcome(arg(1), arg(2) == '1')
    if told and told[1] ~= 'queued' then return told end
    Q.insist()
    if wait then Q.leave(wait) end
    if number >= tonumber(call('HGET', key('node', node), 'low')) then
        call('HSET', key('answers', node), ARGV[5], 'interrupted ')
    end
    if wait and wait.kind == 'makers' then Q.serve(Q.load(wait.name)) end
    return {'interrupted'}
end

-- Numbers of waits whose end the node knows. Answers the microseconds until the next claim goes
-- back, or -1, and all nodes: number, session, whether nothing is left of it.
function others.tick()
    if call('HGET', key('node', node), 'life') == life then
        for i = 1, #ARGV - 6 do call('HDEL', key('ends', node), arg(i)) end
    end
    Q.expire(1000)
    local due = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')[2]
    local told = {'ok', due and str(math.max(tonumber(due) - now, 0)) or '-1'}
    for _, n in ipairs(call('SMEMBERS', P .. 'nodes')) do
        local epoch = call('HMGET', key('node', n), 'session', 'ended')
        local left = call('ZCARD', key('held', n)) + call('ZCARD', key('bound', n))
        told[#told + 1], told[#told + 2] = n, epoch[1]
        told[#told + 1] = epoch[2] and left == 0 and '1' or '0'
    end
    return told
end
