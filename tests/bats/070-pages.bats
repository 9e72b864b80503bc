#!/usr/bin/env bats
# The pages of .coordfs/: what a node says about the cluster, for people and for programs, also
# when it can say little.

load helper

setup_file() { cluster_up; }

setup() { cluster start 1 2 3; }

# page I NAME: leaves $output.
page() { succeeds cat "$D/$1/.coordfs/$2"; }

# json EXPRESSION: of $output, which has to be JSON, as `page`.
json() {
    python3 -c 'import json, sys; page = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1" \
        <<< "$output"
}

# shows I PAGE REGULAR-EXPRESSION: whether a line of the page matches.
shows() { grep -qE -- "$3" "$D/$1/.coordfs/$2"; }

# state I J: what node I says of node J.
state() { awk -v node="$2" '$1 == node { print $4 }' "$D/$1/.coordfs/nodes"; }

says() { [[ $(state "$1" "$2") == "$3" ]]; } # I J STATE

@test "the directory lists its pages, each for people and for programs" {
    local name pages='cache locks nodes queues ring status waits'
    succeeds ls -A "$A/.coordfs"
    is "$(sort <<< "$output")" \
        "$(for name in $pages; do printf '%s\n%s.json\n' "$name" "$name"; done)" 'the pages'
    for name in $pages; do
        page 1 "$name"
        like "$output" . 'the text'
        page 2 "$name.json"
        json 'sorted(page)'
        refuses denied tee "$A/.coordfs/$name"
    done
}

@test "nodes: a leader knows who follows, a follower knows its leader" {
    local leader other
    leader=$(cluster leader)
    other=$(others "$leader" | head -n 1)
    wait_until 10 says "$other" "$leader" leader
    for i in $(others "$leader"); do wait_until 10 says "$leader" "$i" follower; done
    is "$(state "$leader" "$leader")" leader 'the leader about itself'
    is "$(state "$other" "$other")" follower 'a follower about itself'
    is "$(state "$other" "$(others "$leader" | tail -n 1)")" unknown 'a follower about another'
    page "$leader" nodes
    is "$(wc -l <<< "$output")" 5 'the lines: about the view, a heading, three nodes'
    is "$(awk 'NR > 1 { print NF }' <<< "$output" | sort -u)" 9 'the columns'
    page "$leader" nodes.json
    is "$(json 'page["seen_by"] == page["leader"]')" True 'the leader knows that it leads'
    is "$(json 'max(n["heard_ms"] or 0 for n in page["nodes"]) < 1000')" True 'heard lately'
    is "$(json 'all(n["lag"] is not None for n in page["nodes"])')" True 'the lag is known'
    page "$other" nodes.json
    is "$(json 'all(n["match"] is None for n in page["nodes"])')" True 'a follower claims no match'
    is "$(json 'all(n["session"] > 0 for n in page["nodes"])')" True 'it knows the sessions'
}

@test "nodes: who is killed falls silent, and comes back" {
    local leader victim
    leader=$(cluster leader)
    victim=$(others "$leader" | head -n 1)
    wait_until 10 says "$leader" "$victim" follower
    cluster kill "$victim"
    wait_until 10 says "$leader" "$victim" silent
    cluster start "$victim"
    wait_until 10 says "$(cluster leader)" "$victim" follower
}

@test "nodes: without a majority a node claims to know nobody, at once" {
    local leader one
    leader=$(cluster leader)
    one=$(others "$leader" | head -n 1)
    # shellcheck disable=SC2046
    cluster kill $(others "$one")
    wait_until 10 shows "$one" nodes 'leader: unknown'
    is "$(state "$one" "$leader")" unknown 'the leader that was'
    like "$(state "$one" "$one")" 'candidate|follower' 'itself'
    elapsed cat "$D/$one/.coordfs/nodes"
    between 0 "$elapsed_ms" 1000 'milliseconds to read a page without a majority'
}

@test "locks: who holds what, on every node" {
    local i held
    (set -C; echo $$ > "$A/locks/page-file")
    hold page-flock "$B/locks/page-flock"
    held=$(token "$A/locks/page-file")
    for i in 1 2 3; do
        wait_until 5 shows "$i" locks "^page-file +exclusive +1:[0-9]+ +$held +0 "
        wait_until 5 shows "$i" locks "^page-flock +exclusive +2:[0-9]+ +[0-9]+ +0 "
        shows "$i" locks '^# 2 held, as node '"$i"' has applied the log up to index [0-9]+'
    done
    page 3 locks.json
    is "$(json '[l["name"] for l in page["locks"]]')" "['page-file', 'page-flock']" 'the names'
    is "$(json 'page["held"]')" 2 'how many are held'
    let_go page-flock
    rm "$C/locks/page-file"
    wait_until 5 shows 1 locks '^# 0 held'
}

@test "ring: each group on three nodes, led by the first that the ring wants" {
    local group
    for group in {1..17}; do
        wait_until 20 shows 1 ring "^ *$group +([0-9]+) +\\1,"
    done
    page 1 ring.json
    is "$(json 'len(page["groups"])')" 18 'groups, group 0 among them'
    is "$(json 'len({g["leader"] for g in page["groups"][1:]})')" 3 'nodes that lead some of them'
    is "$(json '{len(g["replicas"]) for g in page["groups"]}')" '{3}' 'replicas of each'
}

@test "waits: who waits for which lock, and who is in the way" {
    hold holder "$A/locks/page-wait"
    background waiter flock "$B/locks/page-wait" true
    wait_until 10 has_waiters "$A/locks/page-wait" 1
    background behind flock "$C/locks/page-wait" true
    wait_until 10 has_waiters "$A/locks/page-wait" 2
    for i in 1 2 3; do
        wait_until 5 shows "$i" waits \
            "^page-wait +2:${background_pid[waiter]} +exclusive +1 +1:[0-9]+ +-$"
        wait_until 5 shows "$i" waits \
            "^page-wait +3:[0-9]+ +exclusive +2 +1:[0-9]+ +2:${background_pid[waiter]}$"
    done
    page 2 waits.json
    is "$(json 'page["waiting"]')" 2 'how many wait'
    is "$(json 'page["waits"][1]["place"]')" 2 'the place in the queue'
    let_go holder
    finish waiter
    finish behind
    wait_until 5 shows 1 waits '^# 0 waiting'
}
