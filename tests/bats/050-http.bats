#!/usr/bin/env bats
# The lock routes for clients without a mount, asked with curl and the cluster's secret, and what
# the files show of them.

load helper

setup_file() {
    cluster_up
    export AUTH=$D/.nodes/1/auth
    URL1=$(cluster url 1) URL2=$(cluster url 2) URL3=$(cluster url 3)
    export URL1 URL2 URL3
}

# http METHOD URL [CURL OPTIONS...]: leaves $http_status, $body and $headers.
http() {
    local method=$1 url=$2
    shift 2
    http_status=$(curl -sS -m 30 -X "$method" -H "@$AUTH" -D "$BATS_TEST_TMPDIR/headers" \
        -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}' "$@" "$url")
    body=$(tr -d '\0' < "$BATS_TEST_TMPDIR/body")
    headers=$(tr -d '\r' < "$BATS_TEST_TMPDIR/headers")
    printf '%s %s\n-> %s %s\n' "$method" "$url" "$http_status" "$body"
}

# json FIELD: of $body, which has to be JSON.
json() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<< "$body"; }

# answers STATUS [CODE]: the status, and the word that programs compare with.
answers() {
    is "$http_status" "$1" 'the status'
    if (( $# > 1 )); then
        is "$(json code)" "$2" 'the code'
        like "$(json error)" '.' 'the sentence for people'
    fi
}

exclusive() { printf '%s/lock/%s?lock_type=exclusive' "$1" "$2"; } # URL NAME

@test "POST acquires, GET tells, DELETE with the token releases, on any node" {
    local token
    http POST "$(exclusive "$URL1" job)&owner=alice"
    answers 200
    token=$(json token)
    like "$token" '^[0-9]+$' 'the token'
    json holder
    http GET "$URL2/lock/job"
    answers 200
    is "$(json token)" "$token" 'the token that GET shows'
    http DELETE "$URL3/lock/job?token=$token"
    answers 200
    http GET "$URL1/lock/job"
    answers 404 not_held
}

@test "a lock taken over HTTP is held for the files too, and the other way round" {
    local token
    http POST "$(exclusive "$URL1" shared-with-files)"
    token=$(json token)
    refuses 'cannot overwrite existing file' take "$B/locks/shared-with-files"
    try flock -n "$C/locks/shared-with-files" true
    is "$status" 1 "flock's status"
    is "$(token "$B/locks/shared-with-files")" "$token" 'the token that the file shows'
    http DELETE "$URL2/lock/shared-with-files?token=$token"
    answers 200
    succeeds take "$B/locks/shared-with-files"
    http POST "$(exclusive "$URL3" shared-with-files)"
    answers 423
    json code
    rm "$A/locks/shared-with-files"
}

@test "a held lock is refused with 423; tokens grow" {
    local first second
    http POST "$(exclusive "$URL1" again)"
    first=$(json token)
    http POST "$(exclusive "$URL2" again)"
    answers 423 locked
    http DELETE "$URL2/lock/again?token=$first"
    http POST "$(exclusive "$URL3" again)"
    answers 200
    second=$(json token)
    (( second > first )) || fail "token $second after $first"
    http DELETE "$URL1/lock/again?token=$second"
    answers 200
}

@test "shared locks are shared, an exclusive one is refused meanwhile" {
    local one two
    http POST "$URL1/lock/readers?lock_type=shared"
    one=$(json token)
    http POST "$URL2/lock/readers?lock_type=shared"
    answers 200
    two=$(json token)
    http POST "$(exclusive "$URL3" readers)"
    answers 423 locked
    http DELETE "$URL1/lock/readers?token=$one"
    answers 200
    http DELETE "$URL1/lock/readers?token=$two"
    answers 200
    http GET "$URL1/lock/readers"
    answers 404
}

@test "a bad request is 400 and names the field" {
    local url
    for url in "$URL1/lock/bad" "$URL1/lock/bad?lock_type=mine"; do
        http POST "$url"
        answers 400
        like "$(json error)" lock_type 'the sentence'
    done
    http POST "$(exclusive "$URL1" bad)&ttl=soon"
    answers 400
    like "$(json error)" ttl 'the sentence'
    http POST "$(exclusive "$URL1" bad)&ttl=%zz"
    answers 400
    like "$(json error)" ttl 'the sentence'
    http POST "$(exclusive "$URL1" bad)&wait=-1"
    answers 400
    like "$(json error)" wait 'the sentence'
    http DELETE "$URL1/lock/bad?token=abc"
    answers 400
    like "$(json error)" token 'the sentence'
    http DELETE "$URL1/lock/bad"
    answers 400
    like "$(json error)" token 'the sentence'
    http POST "$URL1/lock/?lock_type=exclusive"
    answers 400
    http POST "$URL1/lock/$(printf '%0256d' 0)?lock_type=exclusive"
    answers 400
    http POST "$URL1/lock/a%2Fb?lock_type=exclusive"
    answers 400
    http POST "$URL1/lock/%?lock_type=exclusive"
    answers 400
}

# code METHOD URL [CURL OPTIONS...]: prints the status of a request without the secret.
code() { curl -s -o /dev/null -w '%{http_code}' -X "$1" "$2" "${@:3}"; }

@test "every request but /health needs the secret" {
    local path
    for path in /lock/secret /status /metrics; do
        is "$(code GET "$URL1$path")" 401 "GET $path without it"
        is "$(code GET "$URL1$path" -H 'Authorization: Bearer wrong-wrong-wrong')" 401 \
            "GET $path with another"
    done
    is "$(code POST "$(exclusive "$URL1" secret)")" 401 'POST'
    is "$(code DELETE "$URL1/lock/secret?token=1")" 401 'DELETE'
    for path in request-vote append-entries install-snapshot; do
        is "$(code POST "$URL1/raft/$path" -d '{}')" 401 "POST /raft/$path"
        is "$(code POST "$URL1/raft/$path" -d '{}' -H "@$AUTH")" 401 "POST /raft/$path as a client"
    done
    is "$(code GET "$URL1/health")" 200 '/health'
    http GET "$URL1/lock/secret"
    answers 404 not_held
}

@test "DELETE: 403 for who does not hold, 404 when nobody does" {
    local token
    http POST "$(exclusive "$URL1" mine)"
    token=$(json token)
    http DELETE "$URL2/lock/mine?token=$(( token + 1000 ))"
    answers 403 not_holder
    http GET "$URL2/lock/mine"
    answers 200
    http DELETE "$URL1/lock/mine?token=$token"
    answers 200
    http DELETE "$URL1/lock/mine?token=$token"
    answers 404 not_held
}

@test "wait: the answer comes when the lock is free, or 423 when the time is over" {
    local token begin
    http POST "$(exclusive "$URL1" patience)"
    token=$(json token)
    begin=$(now_ms)
    http POST "$(exclusive "$URL2" patience)&wait=1"
    answers 423
    between 900 $(( $(now_ms) - begin )) 3000 'milliseconds of waiting'
    background waiter curl -sS -m 30 -X POST -H "@$AUTH" -w ' %{http_code}' \
        "$(exclusive "$URL3" patience)&wait=20"
    wait_until 10 has_waiters "$A/locks/patience" 1
    http DELETE "$URL1/lock/patience?token=$token"
    answers 200
    finish waiter 10
    like "$output" ' 200$' 'the answer to the one that waited'
    http DELETE "$URL1/lock/patience?token=$(grep -oE '"token": ?[0-9]+' <<< "$output" |
        grep -oE '[0-9]+')"
    answers 200
}

@test "a client that hangs up while it waits leaves the queue" {
    local token
    http POST "$(exclusive "$URL1" hangup)"
    token=$(json token)
    background waiter curl -sS -m 60 -X POST -H "@$AUTH" "$(exclusive "$URL2" hangup)&wait=60"
    wait_until 10 has_waiters "$A/locks/hangup" 1
    crash waiter
    wait_until 10 has_waiters "$A/locks/hangup" 0
    http DELETE "$URL1/lock/hangup?token=$token"
    answers 200
    wait_until 5 is_free "$B/locks/hangup"
}

@test "a lock lives for its ttl, and longer when it is renewed" {
    local token begin
    begin=$(now_ms)
    http POST "$(exclusive "$URL1" lease)&ttl=2"
    token=$(json token)
    http POST "$URL2/lock/lease?token=$token&ttl=3"
    answers 200
    is "$(json token)" "$token" 'the token of a renewed hold'
    wait_until 20 is_free "$C/locks/lease"
    between 2700 $(( $(now_ms) - begin )) 8000 'milliseconds it lived'
    http POST "$URL1/lock/lease?token=$token&ttl=3"
    answers 403 not_holder
    http GET "$URL3/lock/lease"
    answers 404 not_held
}

@test "an Idempotency-Key makes a POST safe to repeat, on another node too" {
    local token
    http POST "$(exclusive "$URL1" once)" -H 'Idempotency-Key: 7c1e'
    answers 200
    token=$(json token)
    http POST "$(exclusive "$URL2" once)" -H 'Idempotency-Key: 7c1e'
    answers 200
    is "$(json token)" "$token" 'the token of the repeated request'
    http POST "$(exclusive "$URL2" once)" -H 'Idempotency-Key: 7c1f'
    answers 423
    http DELETE "$URL1/lock/once?token=$token"
    answers 200
}

@test "a renewal or a repeated key that says another mode or owner is 422" {
    local token
    http POST "$URL1/lock/same?lock_type=shared&owner=alice" -H 'Idempotency-Key: 8d2f'
    answers 200
    token=$(json token)
    http POST "$URL2/lock/same?token=$token&lock_type=exclusive"
    answers 422 differs
    http POST "$URL2/lock/same?token=$token&owner=bob"
    answers 422 differs
    http POST "$(exclusive "$URL2" same)&owner=alice" -H 'Idempotency-Key: 8d2f'
    answers 422 differs
    http POST "$URL2/lock/same?token=$token&lock_type=shared&owner=alice"
    answers 200
    is "$(json lock_type)" shared 'the mode'
    http DELETE "$URL1/lock/same?token=$token"
    answers 200
}

@test "names are percent-encoded" {
    local token
    http POST "$URL1/lock/two%20words%0A%C3%BC?lock_type=exclusive"
    answers 200
    token=$(json token)
    exists "$B/locks/two words"$'\n'"ü" || fail 'the file has another name'
    http DELETE "$URL2/lock/two%20words%0A%C3%BC?token=$token"
    answers 200
}

@test "GET /status is JSON about this node, /health is for load balancers" {
    http GET "$URL2/status"
    answers 200
    is "$(json node)" 2 'the node'
    like "$(json leader)" '^[123]$' 'the leader'
    is "$(json available)" True 'whether it serves'
    http GET "$URL2/health"
    answers 200
}

# metric SERIES: its value in $body.
metric() { awk -v series="$1" '$1 == series { print $2 }' <<< "$body"; }

# scrape I: leaves the metrics of node I in $body.
scrape() {
    http GET "$(cluster url "$1")/metrics" > /dev/null
    answers 200
}

# By the rules of the text format: HELP, then TYPE, then the samples of that metric and no other;
# series are unique; buckets grow and end at the count.
well_formed() {
    awk '
        function bad(why) { printf "line %d, %s: %s\n", NR, why, $0; wrong = 1 }
        /^# HELP / { if (NF < 4 || seen[$3]++) bad("help"); name = $3; type = ""; next }
        /^# TYPE / { if ($3 != name || type) bad("type"); type = $4; next }
        !/^[a-zA-Z_:][a-zA-Z0-9_:]*([{]([a-z_]+="[^"]*",?)+[}])? [-+0-9.eE]+$/ { bad("form"); next }
        {
            base = $1
            sub(/[{].*/, "", base)
            part = substr(base, length(name) + 1)
            if (substr(base, 1, length(name)) != name) bad("family")
            if (type == "histogram" ? part !~ /^_(bucket|sum|count)$/ : part != "") bad("family")
            if (series[$1]++) bad("twice")
            if (part == "_bucket" && $1 ~ /le="0.00005"/) last = 0
            if (part == "_bucket" && $2 < last) bad("not cumulative")
            if (part == "_bucket") last = $2
            if (part == "_count" && $2 != last) bad("count")
        }
        END { exit wrong || NR < 50 }' <<< "$body"
}

@test "GET /metrics: what Prometheus can read, on every node" {
    local i leader=0
    for i in 1 2 3; do
        scrape "$i"
        like "$headers" 'Content-Type: text/plain; version=0.0.4' 'the headers'
        well_formed || fail "node $i does not keep to the format"
        like "$(grep '^coordfs_info' <<< "$body")" "node=\"$i\"" 'the node'
        is "$(metric coordfs_available)" 1 'whether it serves'
        is "$(metric 'coordfs_sessions{group="0"}')" 3 'the sessions'
        is "$(grep '^coordfs_raft_role{group="[0-9]*"' <<< "$body" | grep -c ' 1$')" 18 \
            'roles that it has, in as many groups'
        leader=$(( leader + $(metric 'coordfs_raft_role{group="0",role="leader"}') ))
        (( $(metric process_resident_memory_bytes) > 1000000 )) || fail 'no memory?'
    done
    is "$leader" 1 'how many lead'
}

@test "GET /metrics: a lock moves the counters" {
    local leader series before token
    local commits='coordfs_raft_commit_duration_seconds_count{group="0"}'
    local -A was=()
    leader=$(cluster leader)
    scrape "$leader"
    for series in "$commits" coordfs_wal_sync_duration_seconds_count coordfs_wal_bytes_total \
        'coordfs_raft_commit_index{group="0"}' 'coordfs_http_requests_total{route="lock"}'; do
        was[$series]=$(metric "$series")
    done
    before=$(metric 'coordfs_locks_held{group="0"}')
    http POST "$(exclusive "$(cluster url "$leader")" counted)"
    answers 200
    token=$(json token)
    scrape "$leader"
    for series in "${!was[@]}"; do
        awk -v a="${was[$series]}" -v b="$(metric "$series")" 'BEGIN { exit !(b > a) }' ||
            fail "$series is still ${was[$series]}"
    done
    is "$(metric 'coordfs_locks_held{group="0"}')" $(( before + 1 )) 'the locks held'
    awk -v s="$(metric 'coordfs_raft_commit_duration_seconds_sum{group="0"}')" \
        'BEGIN { exit !(s > 0) }' || fail 'commits take no time'
    http DELETE "$URL1/lock/counted?token=$token"
    answers 200
}

@test "unknown paths and methods are told apart" {
    http GET "$URL1/nothing"
    answers 404
    http PUT "$URL1/lock/x"
    answers 405
    http POST "$URL1/status"
    answers 405
}

@test "a body over the limit is 413" {
    head -c 4000000 /dev/zero > "$BATS_TEST_TMPDIR/big"
    http POST "$(exclusive "$URL1" big)" -H 'Expect:' --data-binary "@$BATS_TEST_TMPDIR/big"
    answers 413
    http GET "$URL1/lock/big"
    answers 404
}

@test "without a majority: 503 with Retry-After, and /health says so" {
    cluster kill 2 3
    http POST "$(exclusive "$URL1" alone)&wait=1"
    answers 503 no_quorum
    http POST "$(exclusive "$URL1" alone)"
    answers 503 no_quorum
    like "$headers" 'Retry-After: [0-9]+' 'the headers'
    http GET "$URL1/health"
    answers 503
    cluster start 2 3
    http GET "$URL1/health"
    answers 200
    # Should it have been taken after all, it is given back now that a majority can be reached.
    wait_until 5 is_free "$C/locks/alone"
}
