#!/usr/bin/env bats
# Queues for clients without a mount: the routes below /queue asked with curl on any node, the
# examples of docs/protocol.md, and `coordfs queue`.

load helper

setup_file() {
    cluster_up
    export AUTH=$D/.nodes/1/auth
    URL1=$(cluster url 1) URL2=$(cluster url 2) URL3=$(cluster url 3)
    export URL1 URL2 URL3
}

BINARY=${COORDFS:-$ROOT/build/release/coordfs}

# http METHOD URL [CURL OPTIONS...]: leaves $http_status, $body and $headers.
http() {
    local method=$1 url=$2
    shift 2
    http_status=$(curl -sS -m 30 -X "$method" -H "@$AUTH" -D "$BATS_TEST_TMPDIR/headers" \
        -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}' "$@" "$url")
    body=$(tr -d '\0' < "$BATS_TEST_TMPDIR/body")
    headers=$(tr -d '\r' < "$BATS_TEST_TMPDIR/headers")
    printf '%s %s\n-> %s %.200s\n' "$method" "$url" "$http_status" "$body"
}

# json FIELD: of $body, which has to be JSON.
json() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<< "$body"; }

# all FIELD: of each of the messages in $body.
all() {
    python3 -c 'import json, sys
print(*[message[sys.argv[1]] for message in json.load(sys.stdin)["messages"]])' "$1" <<< "$body"
}

# answers STATUS [CODE]: the status, and the word that programs compare with.
answers() {
    is "$http_status" "$1" 'the status'
    if (( $# > 1 )); then
        is "$(json code)" "$2" 'the code'
        like "$(json error)" '.' 'the sentence for people'
    fi
}

produce() { http POST "$1/queue/$2" -d "$3" && answers 201; } # URL QUEUE MESSAGE

# takes URL QUEUE MESSAGE: the next message is that; leaves its claim in $id.
takes() {
    http GET "$1/queue/$2"
    answers 200
    is "$(json body)" "$3" 'the message'
    id=$(json id)
}

is_empty() { http GET "$1/queue/$2" && answers 204; } # URL QUEUE

stat_of() { # QUEUE FIELD
    http GET "$URL1/queue/stats/$1" > /dev/null
    json "$2"
}

stands_at() { [[ $(stat_of "$1" "$2") == "$3" ]]; } # QUEUE FIELD VALUE

@test "the examples of docs/protocol.md work as they stand" {
    ! on_redis || skip 'the page shows a queue for which a node is responsible'
    cd "$BATS_TEST_TMPDIR"
    succeeds doc-examples "$ROOT/docs/protocol.md" "DIR/=$D/" "http://127.0.0.1:8001=$URL2"
    http DELETE "$URL1/queue/jobs?purge=yes"
}

@test "a message goes in on one node and comes out on another, once, in its turn" {
    local first second
    produce "$URL1" turns one
    first=$(json id)
    produce "$URL2" turns two
    second=$(json id)
    (( second > first )) || fail "message $second behind $first"
    takes "$URL3" turns one
    is "$(json message)" "$first" 'the id of the message'
    is "$(json processing_queue)" turns 'the queue'
    is "$(json deliveries)" 1 'the deliveries'
    http POST "$URL1/queue/ack/turns?id=$id"
    answers 200
    takes "$URL2" turns two
    is_empty "$URL1" turns
    http POST "$URL3/queue/ack/turns?id=$id"
    answers 200
    is_empty "$URL2" turns
    http POST "$URL1/queue/ack/turns?id=$id"
    answers 410 not_claimed
}

@test "nack gives a message back to the head of the queue" {
    produce "$URL1" back one
    produce "$URL1" back two
    takes "$URL2" back one
    http POST "$URL3/queue/nack/back?id=$id"
    answers 200
    takes "$URL1" back one
    is "$(json deliveries)" 2 'the deliveries'
    http POST "$URL1/queue/nack/back?id=$id,999999999"
    answers 410 not_claimed
    takes "$URL2" back one
}

@test "any bytes come through, up to 1 MiB - 1" {
    local file=$BATS_TEST_TMPDIR/any
    head -c 1048575 /dev/urandom > "$file"
    http POST "$URL1/queue/bytes" --data-binary "@$file"
    answers 201
    http POST "$URL1/queue/bytes" --data-binary $'\xff\xfe'
    http POST "$URL1/queue/bytes" -d ''
    http GET "$URL2/queue/bytes" -H 'Accept: application/octet-stream'
    answers 200
    cmp "$file" "$BATS_TEST_TMPDIR/body" || fail 'other bytes came out'
    like "$headers" 'Coordfs-Id: [0-9]+' 'the headers'
    http GET "$URL3/queue/bytes"
    is "$(json body_base64)" '//4=' 'the body'
    http GET "$URL3/queue/bytes"
    is "$(json body)" '' 'a message of no bytes'
    printf x >> "$file"
    http POST "$URL1/queue/bytes" --data-binary "@$file"
    answers 413 too_big
    is_empty "$URL1" bytes
}

@test "GET waits for a message, and not for ever" {
    local begin
    http POST "$URL1/queue/patience?wait=1" -d first
    takes "$URL1" patience first
    begin=$(now_ms)
    http GET "$URL2/queue/patience?wait=1"
    answers 204
    between 900 $(( $(now_ms) - begin )) 3000 'milliseconds of waiting'
    background waiter curl -sS -m 30 -H "@$AUTH" "$URL3/queue/patience?wait=20"
    wait_until 10 stands_at patience consumers 1
    produce "$URL1" patience second
    finish waiter 10
    like "$output" '"body":"second"' 'what came'
    is "$(stat_of patience consumers)" 0 'who waits'
}

@test "a client that hangs up while it waits takes nothing with it" {
    http POST "$URL1/queue/hangup" -d first
    takes "$URL1" hangup first
    background waiter curl -sS -m 60 -H "@$AUTH" "$URL2/queue/hangup?wait=60"
    wait_until 10 stands_at hangup consumers 1
    crash waiter
    wait_until 10 stands_at hangup consumers 0
    produce "$URL3" hangup second
    takes "$URL3" hangup second
    is "$(json deliveries)" 1 'the deliveries'
}

@test "a claim ends with its time, and not before when it is extended" {
    local begin
    produce "$URL1" late one
    http POST "$URL2/queue/config/late?visibility_timeout=5"
    answers 200
    begin=$(now_ms)
    takes "$URL2" late one
    sleep 2
    http POST "$URL3/queue/extend/late?id=$id"
    answers 200
    wait_until 20 stands_at late ready 1
    between 6700 $(( $(now_ms) - begin )) 15000 'milliseconds it was claimed'
    http POST "$URL1/queue/extend/late?id=$id"
    answers 410 not_claimed
    http POST "$URL1/queue/ack/late?id=$id"
    answers 410 not_claimed
    takes "$URL1" late one
    is "$(json deliveries)" 2 'the deliveries'
}

@test "a claim outlives the node that it was made on" {
    local leader other
    leader=$(cluster leader)
    other=$(others "$leader" | head -n 1)
    produce "$URL1" outlives one
    takes "$(cluster url "$other")" outlives one
    cluster kill "$other"
    sleep 6 # its session ends by then
    is_empty "$(cluster url "$leader")" outlives
    http POST "$(cluster url "$leader")/queue/ack/outlives?id=$id"
    answers 200
    cluster start "$other"
}

@test "a full queue is 429, or waits for room" {
    produce "$URL1" full one
    http POST "$URL1/queue/config/full?max_messages=1"
    answers 200
    http POST "$URL2/queue/full" -d two
    answers 429 full
    http POST "$URL2/queue/full?wait=1" -d two
    answers 429 full
    background waiter curl -sS -m 30 -H "@$AUTH" -d three "$URL3/queue/full?wait=20"
    wait_until 10 stands_at full producers 1
    takes "$URL1" full one
    http POST "$URL1/queue/ack/full?id=$id"
    finish waiter 10
    like "$output" '"id":[0-9]+' 'the answer to the one that waited'
    takes "$URL1" full three
}

@test "an Idempotency-Key makes a POST safe to repeat, on another node too" {
    local first
    http POST "$URL1/queue/once" -d one -H 'Idempotency-Key: 7c1e'
    answers 201
    first=$(json id)
    http POST "$URL2/queue/once" -d one -H 'Idempotency-Key: 7c1e'
    answers 201
    is "$(json id)" "$first" 'the id of the repeated message'
    http POST "$URL3/queue/once" -d one -H 'Idempotency-Key: 7c1f'
    is "$(stat_of once ready)" 2 'messages'
}

@test "many at once: in by lines or lengths, out by max, done with by a list" {
    http POST "$URL1/queue/many?framing=line" --data-binary $'one\n\nthree\n'
    answers 201
    http POST "$URL2/queue/many?lengths=4,4" --data-binary $'a\nbcd\nef'
    answers 201
    http GET "$URL3/queue/many?max=200"
    answers 200
    is "$(python3 -c 'import json, sys
print([message["body"] for message in json.load(sys.stdin)["messages"]])' <<< "$body")" \
        "['one', '', 'three', 'a\\nbc', 'd\\nef']" 'the messages'
    http POST "$URL1/queue/ack/many?id=$(all id | tr ' ' ,)"
    answers 200
    is "$(json count)" 5 'how many'
    is "$(stat_of many inflight)" 0 'what is in flight'
    http POST "$URL1/queue/many?lengths=1,1" -d abc
    answers 400 invalid
    is "$(stat_of many ready)" 0 'all or nothing'
}

@test "messages that nobody acknowledges die, are looked at, and are kicked" {
    produce "$URL1" mortal poison
    produce "$URL1" mortal cure
    http POST "$URL1/queue/config/mortal?max_deliveries=1"
    http GET "$URL2/queue/mortal?max=2"
    http POST "$URL2/queue/nack/mortal?id=$(all id | tr ' ' ,)"
    answers 200
    is_empty "$URL3" mortal
    is "$(stat_of mortal dead)" 2 'dead messages'
    http GET "$URL3/queue/peek/mortal?place=dead&max=10"
    is "$(all body)" 'poison cure' 'what is dead'
    id=$(all id | cut -d ' ' -f 1)
    http POST "$URL1/queue/ack/mortal?id=$id&place=dead"
    answers 200
    http POST "$URL1/queue/ack/mortal?id=$id&place=dead"
    answers 404 no_message
    http POST "$URL2/queue/kick/mortal"
    is "$(json kicked)" 1 'how many are kicked'
    takes "$URL1" mortal cure
    http GET "$URL3/queue/peek/mortal?place=inflight"
    is "$(all id)" "$id" 'what is in flight'
}

@test "a queue is made by its first message, listed, purged and removed" {
    http GET "$URL1/queue/made"
    answers 404 no_queue
    http POST "$URL1/queue/made?create=no" -d one
    answers 404 no_queue
    http POST "$URL1/queue/made?mode=0640" -d one
    answers 201
    is "$(stat_of made mode)" 0640 'the mode'
    http GET "$URL2/queue"
    like "$body" '"made"' 'the list'
    http DELETE "$URL3/queue/made"
    answers 409 not_empty
    http POST "$URL3/queue/purge/made"
    answers 200
    http DELETE "$URL3/queue/made"
    answers 200
    http GET "$URL1/queue/stats/made"
    answers 404 no_queue
    http DELETE "$URL1/queue/made?purge=yes"
    answers 404 no_queue
}

@test "names are percent-encoded, also in processing_queue" {
    local name=two%20words%0A%C3%BC%FF
    produce "$URL1" "$name" one
    http GET "$URL2/queue/$name"
    is "$(json processing_queue)" "$name" 'the queue in the path of ack'
    http POST "$URL3/queue/ack/$(json processing_queue)?id=$(json id)"
    answers 200
    http GET "$URL1/queue"
    like "$body" "\"$name\"" 'the list'
    http POST "$URL1/queue/.hidden" -d one
    answers 400 invalid
    http POST "$URL1/queue/a%2Fb" -d one
    answers 400 invalid
    http POST "$URL1/queue/$(printf '%0256d' 0)" -d one
    answers 400 name_too_long
}

# code METHOD URL [CURL OPTIONS...]: prints the status of a request without the secret.
code() { curl -s -o /dev/null -w '%{http_code}' -X "$1" "$2" "${@:3}"; }

@test "every request needs the secret, and HEAD takes no message" {
    produce "$URL1" guarded one
    is "$(code GET "$URL1/queue")" 401 'GET /queue'
    is "$(code GET "$URL1/queue/guarded")" 401 'GET'
    is "$(code POST "$URL1/queue/guarded" -d two)" 401 'POST'
    is "$(code POST "$URL1/queue/purge/guarded")" 401 'purge'
    is "$(code DELETE "$URL1/queue/guarded?purge=yes")" 401 'DELETE'
    is "$(curl -sI -o /dev/null -w '%{http_code}' -H "@$AUTH" "$URL1/queue/guarded")" 405 'HEAD'
    takes "$URL1" guarded one
    is_empty "$URL1" guarded
}

@test "who waits is served by the next leader" {
    local leader
    leader=$(cluster leader)
    produce "$URL1" survives one
    takes "$URL1" survives one
    background waiter curl -sS -m 40 -H "@$AUTH" \
        "$(cluster url "$(others "$leader" | head -n 1)")/queue/survives?wait=30"
    wait_until 10 stands_at survives consumers 1
    cluster kill "$leader"
    http POST "$(cluster url "$(others "$leader" | tail -n 1)")/queue/survives" -d two
    answers 201
    finish waiter 20
    like "$output" '"body":"two"' 'what came'
    cluster start "$leader"
}

# page I: the page of node I leaves its lines in $output.
page() { succeeds cat "$D/$1/.coordfs/queues"; }

shows() { grep -qE -- "$2" "$D/$1/.coordfs/queues"; } # I REGULAR-EXPRESSION

@test ".coordfs/queues tells of them on every node" {
    local i
    produce "$URL1" page-q one
    produce "$URL1" page-q two
    takes "$URL1" page-q one
    for i in 1 2 3; do
        if on_redis; then
            wait_until 15 shows "$i" '^page-q +1 +1 +0 +6 +0 +0 +- +-$'
            shows "$i" "^# [0-9]+ queues in redis.*, as node $i saw them [0-9]+ ms ago" ||
                fail 'the first line'
            continue
        fi
        wait_until 5 shows "$i" '^page-q +1 +1 +0 +6 +0 +0 +[0-9]+ +[123]$'
        shows "$i" "^# [0-9]+ queues in the 16 groups that node $i has a replica of" ||
            fail 'the first line'
    done
    succeeds cat "$C/.coordfs/queues.json"
    is "$(python3 -c 'import json, sys
print(*[q["bytes"] for q in json.load(sys.stdin)["queues"] if q["name"] == "page-q"])' \
        <<< "$output")" 6 'its bytes'
}

# --- coordfs queue --------------------------------------------------------------------------------

at() { printf -- '-oconfig=%s/.nodes/%s/config' "$D" "$1"; } # I: told by node I's settings

queue() { try "$BINARY" queue "$@" "$(at 1)"; } # VERB [ARGUMENTS...]

@test "coordfs queue: what there is, how it stands, what is next" {
    produce "$URL1" cli-a one
    produce "$URL1" cli-b%20c two
    queue ls
    is "$status" 0 'the status'
    is "$(grep ^cli <<< "$output")" $'cli-a\ncli-b c' 'the names'
    succeeds "$BINARY" queue ls --json --url "$URL3" --secret-file "$D/.nodes/secret"
    like "$output" '"cli-a"' 'the names as JSON'
    queue stats 'cli-b c'
    is "$(grep -E '^(ready|max_deliveries|framing)=' <<< "$output")" \
        $'ready=1\nmax_deliveries=20\nframing=write' 'the values'
    queue stats
    # In a Redis nobody is responsible for a queue.
    like "$output" $'(^|\n)cli-b\\\\040c +1 +0 +0 +3 +0 +0 +[-123]' 'the table'
    queue peek cli-a
    is "$output" one 'the message'
    queue peek cli-a --json --max 3
    is "$(wc -l <<< "$output")" 1 'a line for each'
    queue stats cli-a --json
    like "$output" '"ready":1,"inflight":0' 'it is still there'
}

@test "coordfs queue: purge and kick, and what to do without" {
    local i
    for i in 1 2 3; do produce "$URL1" cli-kick "$i"; done
    http POST "$URL1/queue/config/cli-kick?max_deliveries=1"
    http GET "$URL2/queue/cli-kick?max=3"
    http POST "$URL2/queue/nack/cli-kick?id=$(all id | tr ' ' ,)"
    queue peek cli-kick --place dead
    is "$output" 1 'the first that is dead'
    queue kick cli-kick 1
    is "$output" 1 'how many are kicked'
    queue kick cli-kick
    is "$output" 2 'how many are kicked'
    is "$(stat_of cli-kick ready)" 3 'what is ready'
    queue purge cli-kick
    is "$status$output" 0 'nothing to say'
    queue peek cli-kick
    is "$status" 2 'the status when there is nothing'
    like "$output" 'no message is ready' 'the sentence'
    refuses 'there is no such queue' "$BINARY" queue purge no-such-queue "$(at 1)"
    refuses 'which cluster?' "$BINARY" queue ls
}

@test "coordfs queue asks another node when the first one is down" {
    cluster kill 1
    queue stats
    is "$status" 0 'the status'
    cluster start 1
}

is_refused() { # URL
    http POST "$1" -d one > /dev/null
    [[ $http_status == 503 ]]
}

@test "without a majority: 503 with Retry-After" {
    cluster kill 2 3
    # A Redis goes on answering a node whose session lasts.
    ! on_redis || wait_until 15 is_refused "$URL1/queue/alone"
    http POST "$URL1/queue/alone" -d one
    answers 503 no_quorum
    like "$headers" 'Retry-After: [0-9]+' 'the headers'
    http GET "$URL1/queue/alone?wait=1"
    answers 503 no_quorum
    cluster start 2 3
}
