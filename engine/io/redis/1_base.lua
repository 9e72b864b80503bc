-- The queues of a cluster in Redis. Every change is one run of this script, so that it happens
-- whole or not at all, and in one order for all nodes. Its parts are joined in the order of their
-- names (CMakeLists.txt); what a run was asked stands in ARGV:
--
--     verb, node, session, life, number, oldest, then what the verb needs
--
-- Who asks is named by the node, its session with the cluster and the life of its daemon. A change
-- has a number, which grows within a life; `oldest` is the least that the node has no answer to.
--
-- All keys begin with the prefix of the cluster, KEYS[1]:
--
--     id                 the last id that was given to a message or a claim
--     queues             names of all queues, sorted by bytes
--     queue:NAME         hash: attributes and settings; bytes `used` (ready, in flight), `buried`
--     body:NAME          hash: message -> its bytes
--     message:NAME       hash: message -> "deliveries sent turn place"
--     ready:NAME         sorted set: messages by turn
--     inflight:NAME      sorted set: claims by id
--     claim:NAME         hash: claim -> "message node life flags"
--     dead:NAME          sorted set: messages by id
--     key:MADE:KEY       id of what was produced with that idempotency key; expires
--     due                sorted set: "claim:NAME" by the moment at which it goes back
--     takers:NAME        sorted set: "node:number" of who waits for a message, by turn
--     makers:NAME        likewise, for room
--     watchers:NAME      likewise, to hear that a message is ready
--     nodes              set: nodes that ever said hello
--     node:N             hash: session and life that may ask; `ended`; `low`, below which numbers
--                        are settled
--     held:N             sorted set: "claim:NAME" of what ends with the node's session: its
--                        processing list
--     bound:N            likewise, of what ends with the life of its daemon
--     waits:N            hash: number -> what waits
--     parcel:N           hash: number -> the bytes that wait for room
--     answers:N          hash: number -> the answer, kept while it may be asked for again; of a wait
--                        that it was taken up
--     ends:N             hash: number -> how a wait ended, kept until the node says that it knows
--
-- When a Redis is out of memory only the first write of a run is refused, and only if it is a command
-- that may need some: so what adds begins with such a command, and what frees with another.

local call = redis.call
local P = KEYS[1]
local verb, node, session, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local number, oldest = tonumber(ARGV[5]), tonumber(ARGV[6])

local Q = {}          -- what the parts offer each other
local changes = {}    -- verbs that change something: each is done once
local others = {}     -- verbs that may be repeated

local MESSAGE_MAX = 1048575 -- bytes handed out together
local PARKED_MAX = 67108864 -- bytes that wait for room in one queue
local KEY_SECONDS = 600     -- how long an idempotency key is remembered
local PAGE = 4096           -- ids in a page of a listing
local PAGE_NAMES = 1024
local CHUNK = 500           -- pairs in one command: Lua's stack is small
local CLAIMS = 2000         -- that one run ends: the others wait for it

local function arg(i)
    return ARGV[6 + i]
end

local function key(kind, name)
    return P .. kind .. ':' .. name
end

-- All digits of a whole number: Lua's own way is to round to 14.
local function str(n)
    return string.format('%.0f', n)
end

local clock = call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

-- The last of `count` new ids. They follow the clock, so that a Redis which has lost its newest
-- changes in a crash does not give the same ids again.
function Q.ids(count)
    local last = math.max(tonumber(call('GET', P .. 'id') or '0'), now) + count
    call('SET', P .. 'id', str(last))
    return last
end

local FIELDS = {'uid', 'gid', 'perm', 'mtime', 'ctime', 'visibility', 'deliveries', 'messages',
                'bytes', 'framing', 'used', 'buried', 'parked', 'made'}

-- The queue `name`, or nil. Its fields are strings, as Redis has them.
function Q.load(name)
    local values = call('HMGET', key('queue', name), unpack(FIELDS))
    if not values[1] then return nil end
    local q = {name = name}
    for i, field in ipairs(FIELDS) do q[field] = values[i] end
    return q
end

function Q.add_to(q, field, amount)
    if amount ~= 0 then
        q[field] = str(call('HINCRBY', key('queue', q.name), field, str(amount)))
    end
end

function Q.counts(q)
    return call('ZCARD', key('ready', q.name)), call('ZCARD', key('inflight', q.name)),
           call('ZCARD', key('dead', q.name))
end

-- For a run that must go on without memory, and whose first write may need some.
function Q.insist()
    call('DEL', P .. 'nothing')
end

function Q.may_change(q, uid)
    return uid == '0' or uid == q.uid
end
