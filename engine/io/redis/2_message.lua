-- Messages: where they are, and by which claim.

-- nil when there is no such message.
function Q.meta(q, id)
    local text = call('HGET', key('message', q.name), id)
    if not text then return nil end
    local deliveries, sent, turn, place = text:match('^(%d+) (%d+) (%d+) (%a)$')
    return {deliveries = tonumber(deliveries), sent = sent, turn = turn, place = place}
end

function Q.put_meta(q, id, meta)
    call('HSET', key('message', q.name), id,
         str(meta.deliveries) .. ' ' .. meta.sent .. ' ' .. meta.turn .. ' ' .. meta.place)
end

function Q.size(q, id)
    return call('HSTRLEN', key('body', q.name), id)
end

local function in_chunks(command, k, list)
    for i = 1, #list, 2 * CHUNK do
        call(command, k, unpack(list, i, math.min(i + 2 * CHUNK - 1, #list)))
    end
end

-- Adds messages at the tail: the id of the last.
function Q.add(q, bodies)
    local last = Q.ids(#bodies)
    local body, message, ready, bytes = {}, {}, {}, 0
    for i, text in ipairs(bodies) do
        local id = str(last - #bodies + i)
        body[2 * i - 1], body[2 * i] = id, text
        message[2 * i - 1], message[2 * i] = id, '0 ' .. str(now) .. ' ' .. id .. ' r'
        ready[2 * i - 1], ready[2 * i] = id, id
        bytes = bytes + #text
    end
    in_chunks('HSET', key('body', q.name), body)
    in_chunks('HSET', key('message', q.name), message)
    in_chunks('ZADD', key('ready', q.name), ready)
    call('HSET', key('queue', q.name), 'mtime', str(now))
    Q.add_to(q, 'used', bytes)
    return str(last)
end

-- Whether so much more fits. In an empty queue anything does.
function Q.fits(q, count, bytes)
    local ready, inflight = Q.counts(q)
    local messages_max, bytes_max = tonumber(q.messages), tonumber(q.bytes)
    if ready + inflight == 0 then return true end
    return (messages_max == 0 or ready + inflight + count <= messages_max) and
           (bytes_max == 0 or tonumber(q.used) + bytes <= bytes_max)
end

local function claim_one(q, id, to)
    local claim = str(Q.ids(1))
    local member = claim .. ':' .. q.name
    local meta = Q.meta(q, id)
    meta.deliveries, meta.place = meta.deliveries + 1, 'i'
    Q.put_meta(q, id, meta)
    call('HSET', key('claim', q.name), claim,
         id .. ' ' .. to.node .. ' ' .. to.life .. ' ' .. to.flags)
    call('ZADD', key('inflight', q.name), claim, claim)
    call('ZADD', P .. 'due', str(now + tonumber(q.visibility) * 1000), member)
    if to.flags ~= 'leased' then call('ZADD', key(to.flags, to.node), claim, member) end
    return claim
end

-- Hands out the oldest messages, to.max at most: their claims.
function Q.hand_out(q, to)
    local claims, bytes = {}, 0
    while #claims < to.max do
        local id = call('ZRANGE', key('ready', q.name), 0, 0)[1]
        if not id then break end
        bytes = bytes + Q.size(q, id)
        if #claims > 0 and bytes > MESSAGE_MAX then break end
        call('ZREM', key('ready', q.name), id)
        claims[#claims + 1] = claim_one(q, id, to)
    end
    return claims
end

-- A message as a node reads it: a line of numbers, then its bytes.
local function telling(q, id, claim, left, of)
    local meta = Q.meta(q, id)
    local body = call('HGET', key('body', q.name), id)
    return id .. ' ' .. claim .. ' ' .. str(meta.deliveries) .. ' ' .. meta.sent .. ' ' ..
           str(left) .. ' ' .. of .. ' ' .. #body .. '\n' .. body
end

function Q.tell(q, id)
    return telling(q, id, '0', 0, '0')
end

-- nil when the claim is none any more.
function Q.tell_claim(q, claim)
    local text = call('HGET', key('claim', q.name), claim)
    if not text then return nil end
    local id, of, flags = text:match('^(%d+) (%d+) %d+ (%a+)$')
    local due = tonumber(call('ZSCORE', P .. 'due', claim .. ':' .. q.name))
    return telling(q, id, claim, math.max(due - now, 0), flags == 'leased' and '0' or of)
end

-- All of `claims` that are left; nil if none is.
function Q.tell_claims(q, claims)
    local told = {}
    for claim in claims:gmatch('%d+') do
        told[#told + 1] = Q.tell_claim(q, claim)
    end
    return #told > 0 and table.concat(told) or nil
end

-- Ends a claim: its message, which is then nowhere; nil when it is none.
function Q.unclaim(q, claim)
    local text = call('HGET', key('claim', q.name), claim)
    if not text then return nil end
    local id, of, flags = text:match('^(%d+) (%d+) %d+ (%a+)$')
    local member = claim .. ':' .. q.name
    call('HDEL', key('claim', q.name), claim)
    call('ZREM', key('inflight', q.name), claim)
    call('ZREM', P .. 'due', member)
    if flags ~= 'leased' then call('ZREM', key(flags, of), member) end
    return id
end

-- Ends a claim, and the message goes back to its old place, or was handed out too often. `undo`:
-- it is as if it had never been handed out. False: it is no claim.
function Q.give_back(q, claim, undo)
    local id = Q.unclaim(q, claim)
    if not id then return false end
    local meta = Q.meta(q, id)
    if undo then meta.deliveries = meta.deliveries - 1 end
    if not undo and meta.deliveries >= tonumber(q.deliveries) then
        meta.place = 'd'
        call('ZADD', key('dead', q.name), id, id)
        Q.add_to(q, 'used', -Q.size(q, id))
        Q.add_to(q, 'buried', Q.size(q, id))
    else
        meta.place = 'r'
        call('ZADD', key('ready', q.name), meta.turn, id)
    end
    Q.put_meta(q, id, meta)
    return true
end

-- A dead letter leaves its place. False: it is none.
function Q.exhume(q, id)
    if call('ZREM', key('dead', q.name), id) == 0 then return false end
    Q.add_to(q, 'buried', -Q.size(q, id))
    return true
end

-- What is in no place any more is gone.
function Q.drop(q, id)
    call('HDEL', key('body', q.name), id)
    call('HDEL', key('message', q.name), id)
end

-- What is in no place any more goes to the tail of `to`, to be handed out as if for the first time.
function Q.put_at_tail(q, id, to)
    local body, sent = call('HGET', key('body', q.name), id), Q.meta(q, id).sent
    Q.drop(q, id)
    call('HSET', key('body', to.name), id, body)
    local turn = str(Q.ids(1))
    Q.put_meta(to, id, {deliveries = 0, sent = sent, turn = turn, place = 'r'})
    call('ZADD', key('ready', to.name), turn, id)
    call('HSET', key('queue', to.name), 'mtime', str(now))
    Q.add_to(to, 'used', #body)
end

-- All of them go back before anything is handed out. They are named "claim:NAME".
function Q.give_back_all(members)
    local touched = {}
    for _, member in ipairs(members) do
        local claim, name = member:match('^(%d+):(.*)$')
        touched[name] = touched[name] or Q.load(name)
        Q.give_back(touched[name], claim, false)
    end
    for _, q in pairs(touched) do Q.serve(q) end
end

-- Claims whose time has come go back; of very many some are left for the next run.
function Q.expire(limit)
    Q.give_back_all(call('ZRANGEBYSCORE', P .. 'due', '-inf', str(now), 'LIMIT', 0, limit))
end
