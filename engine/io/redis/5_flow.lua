-- The way of a message: produced, handed out, settled.

local function wait_for_room(q, data, wait, turn)
    call('HSET', key('parcel', node), ARGV[5], data)
    call('HINCRBY', key('queue', q.name), 'parked', #data)
    return Q.wait('makers', q, wait, turn)
end

-- The place of who waits with the same key passes to who asks again.
local function ask_again(q, earlier)
    if arg(2) == '0' then return 'full', '' end
    local data = call('HGET', key('parcel', earlier.node), earlier.number)
    Q.end_wait(earlier, 'interrupted', '')
    return wait_for_room(q, data, earlier, earlier.turn)
end

-- name, wait, key, lengths, data
function changes.produce()
    local q = Q.load(arg(1))
    if not q then return 'no_queue', '' end
    local name, lengths, data = arg(3), arg(4), arg(5)
    local before = Q.produced(q, name)
    if before then return 'ok', before end
    local earlier = name ~= '0' and Q.waits_with_key(q, name)
    if earlier then return ask_again(q, earlier) end
    local bodies = Q.cut(data, lengths)
    if call('ZCARD', key('makers', q.name)) == 0 and Q.fits(q, #bodies, #data) then
        local id = Q.produce(q, bodies, name)
        Q.serve(q)
        return 'ok', id
    end
    if arg(2) == '0' then return 'full', '' end
    if q.parked + #data > PARKED_MAX then return 'too_many', '' end
    return wait_for_room(q, data, {key = name, lengths = lengths, count = #bodies, len = #data})
end

-- name, wait, flags, max
function changes.consume()
    local q = Q.load(arg(1))
    if not q then return 'no_queue', '' end
    local to = {node = node, life = life, flags = arg(3), max = tonumber(arg(4))}
    local claims = Q.hand_out(q, to)
    if #claims > 0 then
        claims = table.concat(claims, ' ')
        return 'ok', claims, Q.tell_claims(q, claims)
    end
    if arg(2) == '0' then return 'empty', '' end
    Q.insist() -- who takes will free some
    return Q.wait('takers', q, to)
end

-- name
function changes.await()
    local q = Q.load(arg(1))
    if not q then return 'no_queue', '' end
    if call('ZCARD', key('ready', q.name)) > 0 then return 'ok', '' end
    return Q.wait('watchers', q, {})
end

-- Does `each` to every id that follows the first two arguments: `missing` if one of them is none.
local function settle(missing, each)
    local q, word = Q.load(arg(1)), 'ok'
    if not q then return missing, '' end
    for i = 3, #ARGV - 6 do
        if not each(q, arg(i)) then word = missing end
    end
    Q.serve(q)
    return word, ''
end

local function ack_claim(q, claim)
    local id = Q.unclaim(q, claim)
    if not id then return false end
    Q.add_to(q, 'used', -Q.size(q, id))
    Q.drop(q, id)
    return true
end

local function ack_dead(q, id)
    if not Q.exhume(q, id) then return false end
    Q.drop(q, id)
    return true
end

-- name, place, ids
function changes.ack()
    if arg(2) == 'dead' then return settle('no_message', ack_dead) end
    return settle('not_claimed', ack_claim)
end

-- name, whether it is undone, claims
function changes.give_back()
    return settle('not_claimed', function(q, claim)
        return Q.give_back(q, claim, arg(2) == '1')
    end)
end

-- name, nothing, claims
function changes.extend()
    return settle('not_claimed', function(q, claim)
        local member = claim .. ':' .. q.name
        if call('ZREM', P .. 'due', member) == 0 then return false end
        call('ZADD', P .. 'due', str(now + tonumber(q.visibility) * 1000), member)
        return true
    end)
end

-- The message that `place` and `n` name in q, which may be nil; false or nil and why not.
local function named(q, place, n)
    if place == 'dead' then
        return q and call('ZSCORE', key('dead', q.name), n) and n, 'no_message'
    end
    local text = q and call('HGET', key('claim', q.name), n)
    return text and text:match('^%d+'), 'not_claimed'
end

-- name, place, number, to
function changes.move()
    local q, place, n = Q.load(arg(1)), arg(2), arg(3)
    local id, why = named(q, place, n)
    if not id then return why, '' end
    local to = q
    if arg(4) ~= q.name then to = Q.load(arg(4)) end
    if not to then return 'no_queue', '' end
    if to == q and place == 'inflight' then
        Q.give_back(q, n, false)
        Q.serve(q)
        return 'ok', ''
    end
    if call('ZCARD', key('makers', to.name)) > 0 or not Q.fits(to, 1, Q.size(q, id)) then
        return 'full', ''
    end
    if place == 'dead' then
        Q.exhume(q, id)
    else
        Q.unclaim(q, n)
        Q.add_to(q, 'used', -Q.size(q, id))
    end
    Q.put_at_tail(q, id, to)
    Q.serve(to)
    if to ~= q then Q.serve(q) end
    return 'ok', ''
end
