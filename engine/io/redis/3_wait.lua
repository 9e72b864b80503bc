-- Who waits: for a message (takers), for room (makers), to hear that a message is ready (watchers).
-- First come, first served, whatever node he is on; nobody overtakes him.

-- `wait` is kept as it is, and gets who asks; without `turn` it is the last of its kind. A run that
-- answers "queued" is answered for good by Q.end_wait, in the node's `ends` and on its channel.
function Q.wait(kind, q, wait, turn)
    wait.kind, wait.name, wait.node, wait.life, wait.number = kind, q.name, node, life, ARGV[5]
    wait.turn = turn or str(Q.ids(1))
    call('ZADD', key(kind, q.name), wait.turn, node .. ':' .. ARGV[5])
    call('HSET', key('waits', node), ARGV[5], cmsgpack.pack(wait))
    return 'queued', ''
end

local function unpacked(text)
    return text and cmsgpack.unpack(text)
end

function Q.find_wait(of, n)
    return unpacked(call('HGET', key('waits', of), n))
end

local function first(kind, q)
    local member = call('ZRANGE', key(kind, q.name), 0, 0)[1]
    if not member then return nil end
    return Q.find_wait(member:match('^(%d+):(%d+)$'))
end

-- Takes a waiter out of its line.
function Q.leave(wait)
    call('ZREM', key(wait.kind, wait.name), wait.node .. ':' .. wait.number)
    call('HDEL', key('waits', wait.node), wait.number)
    if wait.kind == 'makers' then
        call('HDEL', key('parcel', wait.node), wait.number)
        if call('EXISTS', key('queue', wait.name)) == 1 then
            call('HINCRBY', key('queue', wait.name), 'parked', -wait.len)
        end
    end
end

-- `told` is what the node reads instead of the value, where that differs.
function Q.end_wait(wait, word, value, told)
    Q.leave(wait)
    call('HSET', key('ends', wait.node), wait.number, word .. ' ' .. value)
    call('PUBLISH', key('to', wait.node .. ':' .. wait.life),
         wait.number .. ' ' .. word .. ' ' .. (told or value))
end

function Q.end_waits(kind, q, word)
    local wait = first(kind, q)
    while wait do
        Q.end_wait(wait, word, '')
        wait = first(kind, q)
    end
end

-- Cuts `data` into the messages whose lengths are listed; without a list it is one.
function Q.cut(data, lengths)
    if lengths == '' then return {data} end
    local bodies, at = {}, 1
    for length in lengths:gmatch('%d+') do
        bodies[#bodies + 1] = data:sub(at, at + length - 1)
        at = at + length
    end
    return bodies
end

local function key_of(q, name)
    return key('key', q.made .. ':' .. name)
end

-- What was produced with the key `name` before; nil: nothing, or it is no key.
function Q.produced(q, name)
    return name ~= '0' and call('GET', key_of(q, name)) or nil
end

function Q.produce(q, bodies, name)
    local id = Q.produced(q, name)
    if id then return id end
    id = Q.add(q, bodies)
    if name ~= '0' then call('SET', key_of(q, name), id, 'EX', KEY_SECONDS) end
    return id
end

-- Who waits with the idempotency key `name`, or nil.
function Q.waits_with_key(q, name)
    for _, member in ipairs(call('ZRANGE', key('makers', q.name), 0, -1)) do
        local wait = Q.find_wait(member:match('^(%d+):(%d+)$'))
        if wait.key == name then return wait end
    end
    return nil
end

local function serve_takers(q)
    local wait = call('ZCARD', key('ready', q.name)) > 0 and first('takers', q)
    while wait do
        local claims = table.concat(Q.hand_out(q, wait), ' ')
        Q.end_wait(wait, 'ok', claims, Q.tell_claims(q, claims))
        wait = call('ZCARD', key('ready', q.name)) > 0 and first('takers', q)
    end
end

local function serve_maker(q)
    local wait = first('makers', q)
    if not wait or not Q.fits(q, wait.count, wait.len) then return false end
    local data = call('HGET', key('parcel', wait.node), wait.number)
    local id = Q.produce(q, Q.cut(data, wait.lengths), wait.key)
    Q.end_wait(wait, 'ok', id)
    return true
end

-- After every change that makes a message ready or makes room.
function Q.serve(q)
    repeat serve_takers(q) until not serve_maker(q)
    if call('ZCARD', key('ready', q.name)) > 0 then Q.end_waits('watchers', q, 'ok') end
end
