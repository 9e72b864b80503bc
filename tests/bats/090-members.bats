#!/usr/bin/env bats
# Nodes that come, go and take each other's places while the cluster runs. Exclusion is judged by
# local files outside the mounts (fixtures/worker), and no call may fail for a change of members.

load helper

# A cluster of its own for each test: they leave different ones behind.
setup() {
    export D=$BATS_TEST_TMPDIR/c
    export A=$D/1 B=$D/2 C=$D/3
}

teardown() {
    end_background
    [[ -n ${BATS_TEST_COMPLETED:-} ]] || show_logs
    no_bad_words_in_logs
    [[ -z ${BATS_TEST_COMPLETED:-} ]] || no_node_is_missing
    "$CLUSTER" down --dir "$D" 3>&-
    [[ ! -d $BATS_TEST_TMPDIR/other ]] || "$CLUSTER" down --dir "$BATS_TEST_TMPDIR/other" 3>&-
}

teardown_file() { :; }

up() { # NODES [OPTIONS of `cluster up`...]
    local nodes=$1
    shift
    "$CLUSTER" up --dir "$D" --nodes "$nodes" --base-port "$(free_base_port)" "$@" 3>&-
}

BINARY=${COORDFS:-$ROOT/build/release/coordfs}

# What `succeeds` and `refuses` run is a program, hence these two.
at() { printf -- '-oconfig=%s/.nodes/%s/config' "$D" "$1"; } # I: told by node I's settings

cluster_does() { succeeds "$CLUSTER" "$1" --dir "$D" "${@:2}"; } # VERB [ARGUMENTS...]

# Ids of all nodes with that role, as the leader sees them.
nodes_of() { # ROLE
    "$BINARY" member list "$(at "$(cluster leader)")" |
        awk -v role="$1" '$3 == role { printf "%s ", $1 }'
}

no_call_failed() {
    local i
    for i in 0 1 2 3 4 5 6 7; do
        like "$(< "$BATS_TEST_TMPDIR/worker$i.out")" '^troubles: 0$' "the errors that worker $i saw"
    done
}

@test "one node grows to three and five and shrinks to three under load, without a failed call" {
    local i
    up 1
    start_workers 1
    workers_get_on
    for i in 2 3; do cluster_does add; done
    is "$(nodes_of voter)" '1 2 3 ' 'who votes'
    workers_get_on
    for i in 4 5; do cluster_does add; done
    is "$(nodes_of voter)" '1 2 3 4 5 ' 'who votes'
    (set -C && echo $$ > "$D/5/locks/seen") || fail 'node 5 takes a lock'
    exists "$D/2/locks/seen" || fail 'node 2 sees it'
    rm "$D/3/locks/seen"
    workers_get_on
    for i in 4 2; do cluster_does remove "$i"; done
    is "$(nodes_of voter)" '1 3 5 ' 'who votes'
    workers_get_on
    stop_workers
    no_call_failed
    tokens_grow
}

@test "work goes on at nodes that have joined, and at a node beyond five, which learns" {
    up 1
    cluster_does add
    cluster_does add
    start_workers 2 3
    workers_get_on
    cluster_does add
    cluster_does add
    cluster_does add
    is "$(nodes_of learner)" '6 ' 'who has no vote'
    workers_get_on
    (set -C && echo $$ > "$D/6/locks/seen") || fail 'node 6 takes a lock'
    cluster_does remove 4
    wait_until 20 all_vote '1 2 3 5 6 '
    workers_get_on
    stop_workers
    no_call_failed
    tokens_grow
}

all_vote() { [[ $(nodes_of voter) == "$1" ]]; } # IDS

@test "a node whose data directory is gone is replaced under load, and what it held is free" {
    up 3
    (set -C && echo $$ > "$C/locks/held") || fail 'node 3 takes a lock'
    start_workers 1 2
    workers_get_on
    cluster kill 3
    rm -rf "$D/.nodes/3/data"
    cluster_does replace 3
    is "$(nodes_of voter)" '1 2 4 ' 'who votes'
    wait_until 15 is_free "$A/locks/held"
    (set -C && echo $$ > "$D/4/locks/held") || fail 'node 4 takes it'
    workers_get_on
    stop_workers
    no_call_failed
    tokens_grow
}

@test "a running node is replaced, too, and its daemon ends" {
    up 3
    cluster_does replace 2 7
    is "$(nodes_of voter)" '1 3 7 ' 'who votes'
    has_line "$D/.nodes/2/log" 'this node was removed from the cluster' || fail 'node 2 says why'
    exists "$D/.nodes/2/pid" && fail 'node 2 still runs'
    [[ -e $D/7/locks ]]
}

@test "the leader is removed under load: another one leads, and no call fails elsewhere" {
    local leader
    local -a rest
    up 3
    leader=$(cluster leader)
    mapfile -t rest < <(others "$leader")
    start_workers "${rest[@]}"
    workers_get_on
    cluster_does remove "$leader"
    is "$(nodes_of voter)" "${rest[0]} ${rest[1]} " 'who votes'
    has_line "$D/.nodes/$leader/log" 'this node was removed from the cluster' ||
        fail 'the removed node says why it ended'
    workers_get_on
    stop_workers
    no_call_failed
    tokens_grow
}

@test "down to one node and up again" {
    up 3
    cluster_does remove 3
    cluster_does remove 2
    is "$(nodes_of voter)" '1 ' 'who votes'
    refuses 'it is the last one' "$BINARY" member remove 1 "$(at 1)"
    (set -C && echo $$ > "$A/locks/alone") || fail 'the last node takes a lock'
    cluster_does add
    is "$(nodes_of voter)" '1 4 ' 'who votes'
    exists "$D/4/locks/alone" || fail 'the new node sees it'
}

@test "a cluster that has grown starts again with the settings it began with" {
    up 1
    cluster_does add
    cluster_does add
    (set -C && echo $$ > "$A/locks/before") || fail 'takes a lock'
    cluster stop 1 2 3
    is "$(grep -c '^member' "$D/.nodes/1/config")" 1 'members in the settings of node 1'
    cluster start 1 2 3
    is "$(nodes_of voter)" '1 2 3 ' 'who votes'
    # Only its peers file can tell node 1 where a majority is.
    cluster kill 1 2 3
    cluster start 2 3
    cluster start 1
    cluster kill 3
    (set -C && echo $$ > "$A/locks/after") || fail 'takes a lock with node 2 alone'
}

@test "a data directory of another cluster or another node is refused, with names" {
    local other=$BATS_TEST_TMPDIR/other
    up 3
    "$CLUSTER" up --dir "$other" --nodes 3 --base-port "$(free_base_port)" 3>&-
    "$CLUSTER" stop --dir "$other" 3 3>&-
    cluster stop 3
    mv "$D/.nodes/3/data" "$D/.nodes/3/mine"
    cp -a "$other/.nodes/3/data" "$D/.nodes/3/data"
    refuses 'does not come up' "$CLUSTER" start 3 --dir "$D"
    has_line "$D/.nodes/3/log" 'holds the log of node 3 of cluster [0-9a-f]*' ||
        fail 'the log names the cluster of the directory'
    rm -rf "$D/.nodes/3/data"
    cp -a "$D/.nodes/3/mine" "$D/.nodes/3/data"
    sed -i 's/^node .*/node 2/' "$D/.nodes/3/data/identity"
    refuses 'does not come up' "$CLUSTER" start 3 --dir "$D"
    rm -rf "$D/.nodes/3/data"
    mv "$D/.nodes/3/mine" "$D/.nodes/3/data"
    cluster start 3
}

@test "nodes of two clusters that meet refuse each other by name" {
    local other=$BATS_TEST_TMPDIR/other
    up 3
    "$CLUSTER" up --dir "$other" --nodes 1 --base-port "$(free_base_port)" 3>&-
    cluster stop 3
    # One that has the secret of the first cluster and believes to be a part of another one.
    cp "$other/.nodes/secret" "$BATS_TEST_TMPDIR/secret"
    "$CLUSTER" stop --dir "$other" 1 3>&-
    cp "$D/.nodes/secret" "$other/.nodes/secret"
    printf 'listen = 127.0.0.1:%s\n' "$(cluster url 3 | grep -o '[0-9]*$')" \
        >> "$other/.nodes/1/config"
    background start "$CLUSTER" start --dir "$other" 1 # it waits for what will not come
    wait_until 20 has_line "$other/.nodes/1/log" 'speaks to node 1 of cluster'
    has_line "$other/.nodes/1/log" 'node [12] of cluster [0-9a-f]\{16\} speaks to node 1' ||
        fail 'the log names both clusters'
}

@test "who joins is told what is in the way" {
    local port
    up 1
    port=$(cluster url 1 | grep -o '[0-9]*$')
    join() { # NODE PORT [OPTIONS...]
        local node=$1 at=$2
        shift 2
        mkdir -p "$BATS_TEST_TMPDIR/m"
        try "$BINARY" -f --join "$(cluster url 1)" -o "node=$node,member=$node@127.0.0.1:$at" \
            -o "data=$BATS_TEST_TMPDIR/new,secret_file=$D/.nodes/secret,timeout=0.5" "$@" \
            "$BATS_TEST_TMPDIR/m"
    }
    join 1 "$(( port + 7 ))"
    like "$output" 'node id 1 belongs to the node at 127.0.0.1' 'the id is taken'
    join 2 "$port"
    like "$output" 'cannot listen' 'the port is taken'
    is "$(nodes_of voter)$(nodes_of joining)" '1 ' 'who belongs to it after that'
    cluster kill 1
    join 2 "$(( port + 7 ))"
    like "$output" 'cannot join by http://127.0.0.1' 'nobody is there'
    (umask 077 && echo 'another-secret-than-theirs' > "$BATS_TEST_TMPDIR/secret")
    cluster start 1
    join 2 "$(( port + 7 ))" -o "secret_file=$BATS_TEST_TMPDIR/secret"
    like "$output" 'secret is missing or wrong' 'the secret is another one'
}

@test "coordfs member says what it does and what is wrong" {
    up 3
    succeeds "$BINARY" member list "$(at 1)"
    like "$output" 'cluster [0-9a-f]{16}' 'the cluster'
    refuses 'expected ID@HOST:PORT' "$BINARY" member add 4 "$(at 1)"
    refuses 'node 2 is at 127.0.0.1' "$BINARY" member add 2@127.0.0.1:9 "$(at 1)"
    refuses 'there is no node 9' "$BINARY" member remove 9 "$(at 1)"
    refuses 'there is no node 9' "$BINARY" member replace 9 4@127.0.0.1:9 "$(at 1)"
    refuses 'needs another id' "$BINARY" member replace 2 2@127.0.0.1:9 "$(at 1)"
    refuses 'it is said like this: coordfs member remove ID' "$BINARY" member remove "$(at 1)"
    refuses 'which cluster?' "$BINARY" member list
    refuses 'connect' "$BINARY" member list --secret-file "$D/.nodes/secret" --url 127.0.0.1:9
    succeeds "$BINARY" member add 4@127.0.0.1:9 --no-wait "$(at 1)"
    wait_until 10 all_join '4 '
    succeeds "$BINARY" member remove 4 "$(at 2)"
    succeeds "$BINARY" member list --url "$(cluster url 2)" --secret-file "$D/.nodes/secret"
}

all_join() { [[ $(nodes_of joining)$(nodes_of learner) == "$1" ]]; } # IDS

# led_by I: how many groups of queues should be led by node I, as the ring has it.
led_by() {
    awk -v node="$1" 'NR > 3 && $3 ~ "^" node "," { n++ } END { print n + 0 }' "$D/1/.coordfs/ring"
}

leads_most() { (( $(led_by "$1") > 8 )); } # I

@test "a heavier node gets more of the queues, and its groups move to it" {
    local url
    up 3
    wait_until 10 test "$(led_by 1)" -lt 9
    url=$(cluster url 2)
    refuses 'no weight' "$BINARY" member add "2@${url#http://}" --weight 0 "$(at 1)"
    succeeds "$BINARY" member add "2@${url#http://}" --weight 10 "$(at 1)"
    wait_until 10 leads_most 2
    like "$(cluster curl 1 /members)" '"weight": 10' 'the weight'
    echo heavy > "$D/1/queues/heavy"
    is "$(cat "$D/3/queues/heavy")" heavy 'a message meanwhile'
}

# A cluster that has only just been made says so first.
is_taken() { cluster curl 1 "/members?node=$1&host=h&port=1" -X POST | grep -q '"exists"'; } # ID

@test "over HTTP: GET, POST and DELETE of /members" {
    local body
    up 1
    body=$(cluster curl 1 /members)
    like "$body" '"cluster": "[0-9a-f]{16}"' 'the cluster'
    like "$body" '"role": "voter"' 'the node'
    like "$(cluster curl 1 '/members?node=64&host=h&port=1' -X POST)" "'node' is a node" 'an id'
    like "$(cluster curl 1 '/members?node=2&port=1' -X POST)" "'host' is" 'no host'
    like "$(cluster curl 1 '/members?node=2&host=h&port=0' -X POST)" "'port' is" 'a port'
    wait_until 10 is_taken 1
    like "$(cluster curl 1 '/members?node=2&host=h&port=1&replaces=5' -X POST)" '"not_member"' \
        'nobody to replace'
    is "$(cluster curl 1 '/members?node=2&host=127.0.0.1&port=1' -X POST)" '{"node":2}' 'added'
    like "$(cluster curl 1 /members)" '"node": 2' 'it is listed'
    is "$(cluster curl 1 /members/2 -X DELETE)" '{"node":2}' 'removed'
    like "$(cluster curl 1 /members/2 -X DELETE)" '"not_member"' 'removed twice'
    like "$(cluster curl 1 /members/one -X DELETE)" "'node' is" 'no id'
}

@test "with network namespaces nodes come and go, too, and a node that is cut off is replaced" {
    requires root netns
    up 3 --netns
    cluster_does add
    is "$(netns_voters)" '1 2 3 4 ' 'who votes'
    cluster cut 2
    cluster_does replace 2 9
    is "$(netns_voters)" '1 3 4 9 ' 'who votes'
}

netns_voters() {
    local leader
    leader=$(cluster leader)
    cluster exec "$leader" -- "$BINARY" member list "$(at "$leader")" |
        awk '$3 == "voter" { printf "%s ", $1 }'
}
