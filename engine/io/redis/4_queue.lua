-- Queues: made, looked at, changed, removed.

-- name, exclusive, uid, gid, perm, visibility, deliveries, messages, bytes, framing
function changes.make()
    local name = arg(1)
    if call('EXISTS', key('queue', name)) == 1 then
        return arg(2) == '1' and 'queue_exists' or 'ok', ''
    end
    local made = str(Q.ids(1))
    call('HSET', key('queue', name), 'uid', arg(3), 'gid', arg(4), 'perm', arg(5),
         'mtime', str(now), 'ctime', str(now), 'visibility', arg(6), 'deliveries', arg(7),
         'messages', arg(8), 'bytes', arg(9), 'framing', arg(10), 'used', '0', 'buried', '0',
         'parked', '0', 'made', made)
    call('ZADD', P .. 'queues', 0, name)
    return 'ok', ''
end

-- The queue arg(1), if the user `uid` may change it; else nil and why not.
local function changeable(uid)
    local q = Q.load(arg(1))
    if not q then return nil, 'no_queue' end
    if not Q.may_change(q, uid) then return nil, 'not_permitted' end
    return q
end

local function unlink(q, kinds)
    local keys = {}
    for i, kind in ipairs(kinds) do keys[i] = key(kind, q.name) end
    call('UNLINK', unpack(keys))
end

-- name, uid
function changes.remove()
    local q, why = changeable(arg(2))
    if not q then return why, '' end
    local ready, inflight, dead = Q.counts(q)
    if ready + inflight + dead > 0 then return 'not_empty', '' end
    unlink(q, {'queue'})
    call('ZREM', P .. 'queues', q.name)
    for _, kind in ipairs({'takers', 'makers', 'watchers'}) do
        Q.end_waits(kind, q, 'no_queue')
    end
    return 'ok', ''
end

-- name, uid. What is in flight is kept, and all else forgotten at once: of a long queue one by one
-- would take long.
function changes.purge()
    local q, why = changeable(arg(2))
    if not q then return why, '' end
    local kept, used = {}, 0
    for _, claim in ipairs(call('ZRANGE', key('inflight', q.name), 0, -1)) do
        local id = call('HGET', key('claim', q.name), claim):match('^%d+')
        local body = call('HGET', key('body', q.name), id)
        kept[#kept + 1] = {id, body, call('HGET', key('message', q.name), id)}
        used = used + #body
    end
    unlink(q, {'ready', 'dead', 'body', 'message'})
    for _, message in ipairs(kept) do
        call('HSET', key('body', q.name), message[1], message[2])
        call('HSET', key('message', q.name), message[1], message[3])
    end
    Q.add_to(q, 'used', used - tonumber(q.used))
    Q.add_to(q, 'buried', -tonumber(q.buried))
    Q.serve(q)
    return 'ok', ''
end

-- name, uid, pairs of field and value; "now" stands for the time.
function changes.set()
    local q, why = changeable(arg(2))
    if not q then return why, '' end
    for i = 3, #ARGV - 6, 2 do
        call('HSET', key('queue', q.name), arg(i), arg(i + 1) == 'now' and str(now) or arg(i + 1))
    end
    Q.serve(Q.load(q.name))
    return 'ok', ''
end

local function numbers_of(q)
    local ready, inflight, dead = Q.counts(q)
    return table.concat({q.uid, q.gid, q.perm, q.mtime, q.ctime, q.visibility, q.deliveries,
                         q.messages, q.bytes, q.framing, str(ready), str(inflight), str(dead),
                         str(q.used + q.buried), str(call('ZCARD', key('takers', q.name))),
                         str(call('ZCARD', key('makers', q.name)))}, ' ')
end

-- name
function others.stat()
    local q = Q.load(arg(1))
    if not q then return {'no_queue'} end
    return {'ok', numbers_of(q)}
end

-- how many at most. Answers how many there are; then, of the first ones, names and numbers.
function others.overview()
    local told = {'ok', str(call('ZCARD', P .. 'queues'))}
    for _, name in ipairs(call('ZRANGE', P .. 'queues', 0, tonumber(arg(1)) - 1)) do
        told[#told + 1] = name
        told[#told + 1] = numbers_of(Q.load(name))
    end
    return told
end

local function page(list, size)
    local more = #list > size
    if more then list[#list] = nil end
    return {'ok', more and '1' or '0', unpack(list)}
end

-- the name behind which to go on
function others.list()
    local from = arg(1) == '' and '-' or '(' .. arg(1)
    return page(call('ZRANGEBYLEX', P .. 'queues', from, '+', 'LIMIT', 0, PAGE_NAMES + 1),
                PAGE_NAMES)
end

-- name, place, the number behind which to go on. What is gone has left at the head: its number is
-- taken for its turn.
function others.messages()
    local q = Q.load(arg(1))
    if not q then return {'no_queue'} end
    local k, after = key(arg(2), q.name), arg(3)
    if arg(2) == 'ready' then
        local meta = Q.meta(q, after)
        after = meta and meta.turn or after
    end
    return page(call('ZRANGEBYSCORE', k, '(' .. after, '+inf', 'LIMIT', 0, PAGE + 1), PAGE)
end

-- name, place, number
function others.message()
    local q = Q.load(arg(1))
    if not q then return {'no_queue'} end
    if arg(2) == 'inflight' then
        local told = Q.tell_claim(q, arg(3))
        return told and {'ok', told} or {'not_claimed'}
    end
    if not call('ZSCORE', key(arg(2), q.name), arg(3)) then return {'no_message'} end
    return {'ok', Q.tell(q, arg(3))}
end
