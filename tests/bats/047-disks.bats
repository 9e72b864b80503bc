#!/usr/bin/env bats
# What is on the disks: nodes that are brought up by a snapshot, whole clusters that come back from
# their checkpoints, and data that is gone or damaged. Checkpoints are small here, so that all of it
# happens within seconds, and sessions long: no lock is lost because a cluster stood still. The
# decisions of the core are in the logs.

load helper

options=checkpoint_kb=64,session=60,log_level=debug

setup_file() { cluster_up -o "$options"; }

# Every test may leave nodes down.
setup() { cluster start 1 2 3; }

teardown() {
    local i
    # What start_alone has started is not known to the cluster.
    end_background
    for i in 1 2 3; do
        if [[ -n ${alone[$i]:-} ]]; then cluster kill "$i"; fi
        if [[ -d $(data "$i").away ]]; then put_back "$i"; fi
    done
    common_teardown
}

data() { printf '%s' "$D/.nodes/$1/data"; } # I

log_of() { printf '%s' "$D/.nodes/$1/log"; } # I

# How often NODE's log says PATTERN.
times_said() { grep -cE "$2" "$(log_of "$1")" || true; }

says_since() { (( $(times_said "$1" "$3") > $2 )); } # NODE COUNT PATTERN

status_of() { # NODE FIELD
    cluster curl "$1" /status | sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p" | head -n 1
}

# Starts a node and does not wait until it serves: it may not, and should not. It ends with the
# test.
declare -gA alone=()
start_alone() { # NODE
    alone[$1]=yes
    cluster kill "$1"
    # setup_file has set COORDFS or left it to the default of the script.
    background "node$1" sh -c 'exec "$0" -f -o "$1" "$2" >> "$3" 2>&1' \
        "${COORDFS:-$ROOT/build/release/coordfs}" \
        "config=$D/.nodes/$1/config,$options" "$D/$1" "$(log_of "$1")"
    wait_until 20 cluster curl "$1" /health
}

end_alone() { # NODE
    crash "node$1"
    cluster kill "$1"
    unset "alone[$1]"
}

# The data directory of a node that is down, away and back.
take_away() { mv -T "$(data "$1")" "$(data "$1").away"; } # NODE
put_back() { # NODE
    rm -rf "$(data "$1")"
    mv -T "$(data "$1").away" "$(data "$1")"
}

# hold_some PREFIX: a lockfile made on each node; their tokens are in $tokens.
declare -gA tokens=()
hold_some() {
    local i
    for i in 1 2 3; do
        succeeds take "$D/$i/locks/$1$i" "content $1$i"
        tokens[$1$i]=$(token "$D/$i/locks/$1$i")
    done
}

# All that hold_some has made is held, seen from NODE...
still_held() {
    local node name
    for node; do
        for name in "${!tokens[@]}"; do
            is "$(cat "$D/$node/locks/$name")" "content $name" "the content of $name on node $node"
            is "$(token "$D/$node/locks/$name")" "${tokens[$name]}" "the token of $name"
            refuses 'cannot overwrite existing file' take "$D/$node/locks/$name"
        done
    done
}

# Gives back what hold_some has made; the next holder's token is larger.
give_back() {
    local name
    for name in "${!tokens[@]}"; do
        succeeds rm "$A/locks/$name"
        succeeds take "$B/locks/$name"
        (( $(token "$C/locks/$name") > tokens[$name] )) || fail "the token of $name did not grow"
        succeeds rm "$C/locks/$name"
    done
    tokens=()
}

remembers() { [[ ! -e $(data "$1")/amnesia && $(status_of "$1" amnesia) == none ]]; } # NODE

@test "a node that was away for longer than the log is kept is brought up by a snapshot" {
    local away rest installs
    { read -r away && read -r rest; } < <(others "$(cluster leader)")
    hold_some before
    succeeds take "$A/locks/given-back"
    installs=$(times_said "$away" 'takes over the snapshot')
    cluster kill "$away"
    succeeds rm "$D/$rest/locks/given-back"
    succeeds filler "$D/$rest/locks/filler" 2000000
    succeeds take "$D/$rest/locks/while-away" meanwhile
    cluster start "$away"
    wait_until 10 says_since "$away" "$installs" 'takes over the snapshot'
    still_held 1 2 3
    is "$(cat "$D/$away/locks/while-away")" meanwhile 'what was taken while it was away'
    is_free "$D/$away/locks/given-back" || fail 'what was given back is held'
    # And again, now that its own state is a snapshot.
    cluster kill "$away"
    cluster start "$away"
    still_held "$away"
    succeeds rm "$D/$away/locks/while-away"
    give_back
}

@test "the whole cluster comes back from its checkpoints, and the disks hold no more than these" {
    local i kib
    hold_some kept
    succeeds mkdir "$A/locks/kept-dir"
    succeeds filler "$A/locks/filler" 120000000
    for i in 1 2 3; do
        kib=$(du -sk "$(data "$i")" | cut -f 1)
        # Three segments of 16 MiB, a fourth that is about to go, and some for the checkpoint.
        between 16384 "$kib" 80000 "KiB in the data directory of node $i"
    done
    cluster kill 1 2 3
    cluster start 1 2 3
    still_held 1 2 3
    refuses 'File exists' mkdir "$B/locks/kept-dir"
    is "$(ls "$C/locks" | paste -sd ' ')" 'kept-dir kept1 kept2 kept3' 'what is held'
    for i in 1 2 3; do
        wait_until 10 remembers "$i"
    done
    succeeds rmdir "$C/locks/kept-dir"
    give_back
}

@test "a node whose data is gone counts for nothing until it has caught up" {
    local leader sound blank
    leader=$(cluster leader)
    { read -r sound && read -r blank; } < <(others "$leader")
    hold_some mine
    succeeds filler "$A/locks/filler" 1000000
    cluster kill "$sound" "$blank"
    take_away "$blank"
    rm -rf "$(data "$blank").away"
    start_alone "$blank"
    is "$(< "$(data "$blank")/amnesia")" blank 'what its disk says'
    is "$(status_of "$blank" amnesia)" blank 'what its status says'
    # Two of three run, and one of them knows nothing.
    refuses 'Connection timed out' mkdir "$D/$leader/locks/too-early"
    refuses 'Connection timed out' ls "$D/$blank/locks"
    cluster start "$sound"
    still_held "$leader" "$sound"
    wait_until 20 ls "$D/$blank/locks"
    still_held "$blank"
    wait_until 10 remembers "$blank"
    wait_until 5 is_free "$D/$sound/locks/too-early"
    # Now it may vote.
    cluster kill "$leader"
    succeeds mkdir "$D/$sound/locks/voted"
    succeeds rmdir "$D/$blank/locks/voted"
    still_held "$sound" "$blank"
    end_alone "$blank"
    cluster start "$leader" "$blank"
    give_back
}

@test "a node whose data is gone comes back, and the leader dies in that moment: nothing is lost" {
    local round leader sound blank probe
    for round in 1 2 3; do
        leader=$(cluster leader)
        { read -r sound && read -r blank; } < <(others "$leader")
        hold_some "round$round-"
        cluster kill "$blank"
        rm -rf "$(data "$blank")"
        start_alone "$blank"
        kill -KILL "$(cluster pid "$leader")"
        # Whether it had caught up is a matter of chance: then they serve, else they wait.
        probe=kept
        try mkdir "$D/$sound/locks/probe"
        if (( status == 0 )); then
            still_held "$sound"
        else
            probe=refused
            like "$output" 'Connection timed out' 'what the call says'
        fi
        cluster kill "$leader"
        cluster start "$leader"
        still_held "$leader" "$sound"
        wait_until 20 remembers "$blank"
        still_held "$blank"
        end_alone "$blank"
        cluster start "$blank"
        # Should the call have taken its lock after all, it is given back by now.
        if [[ $probe == kept ]]; then succeeds rmdir "$D/$sound/locks/probe"; fi
        wait_until 10 is_free "$D/$blank/locks/probe"
    done
    give_back
}

@test "two of three data directories are gone: the cluster stands still, and says why" {
    hold_some mine
    cluster kill 1 2 3
    take_away 2
    take_away 3
    local forgetful='no leader for .*the votes of nodes 2, 3, whose data is new' said1 said2
    local new="no leader for .*this node's data is new"
    said1=$(times_said 1 "$forgetful")
    said2=$(times_said 2 "$new")
    start_alone 1
    start_alone 2
    start_alone 3
    refuses 'Connection timed out' mkdir "$A/locks/forgetful"
    refuses 'Connection timed out' ls "$B/locks"
    refuses 'Connection timed out' ls "$C/locks"
    is "$(status_of 1 amnesia) $(status_of 2 amnesia) $(status_of 3 amnesia)" 'none blank blank' \
        'what the disks have lost'
    has_line "$A/.coordfs/status" '^amnesia  *none$'
    has_line "$B/.coordfs/status" '^amnesia  *blank$'
    wait_until 15 says_since 1 "$said1" "$forgetful"
    wait_until 15 says_since 2 "$said2" "$new"
    end_alone 1
    end_alone 2
    end_alone 3
    put_back 2
    put_back 3
    cluster start 1 2 3
    still_held 1 2 3
    give_back
}

# flip FILE TEXT: a bit of each place where it has TEXT; the same again puts it back.
flip() {
    python3 - "$@" << 'PYTHON'
import sys

path, text = sys.argv[1], sys.argv[2].encode()
with open(path, "r+b") as file:
    data = bytearray(file.read())
    other = bytes([text[0] ^ 1]) + text[1:]
    places = [i for word in (text, other) for i in range(len(data)) if data.startswith(word, i)]
    for i in places:
        data[i] ^= 1
    file.seek(0)
    file.write(data)
if not places:
    sys.exit("%s does not have %s" % (path, sys.argv[2]))
PYTHON
}

@test "a flipped bit in a checkpoint: the node does not start, and names the file" {
    local node leader
    leader=$(cluster leader)
    node=$(others "$leader" | head -n 1)
    succeeds take "$D/$leader/locks/fragile" precious-content
    succeeds filler "$D/$leader/locks/filler" 1000000
    cluster kill "$node"
    flip "$(data "$node")/store/data.mdb" precious-content
    refuses "$(data "$node")/store/data.mdb is damaged: group 0: key" \
        "$CLUSTER" start "$node" --dir "$D"
    like "$output" 'checksum is wrong. Nothing was changed' 'the end of its log'
    succeeds mkdir "$D/$leader/locks/meanwhile"
    flip "$(data "$node")/store/data.mdb" precious-content
    cluster start "$node"
    is "$(cat "$D/$node/locks/fragile")" precious-content 'the content'
    succeeds rmdir "$D/$node/locks/meanwhile"
    succeeds rm "$D/$node/locks/fragile"
}

@test "a part of the data is gone: the node does not start, and names what is missing" {
    local node
    node=$(others "$(cluster leader)" | head -n 1)
    succeeds filler "$A/locks/filler" 1000000
    cluster kill "$node"
    mv "$(data "$node")/store" "$BATS_TEST_TMPDIR/store"
    refuses 'has a log but no checkpoint store' \
        "$CLUSTER" start "$node" --dir "$D"
    mv "$BATS_TEST_TMPDIR/store" "$(data "$node")/store"
    mkdir "$BATS_TEST_TMPDIR/log"
    mv "$(data "$node")"/{wal-*,identity} "$BATS_TEST_TMPDIR/log"
    refuses 'has a checkpoint but no log' \
        "$CLUSTER" start "$node" --dir "$D"
    mv "$BATS_TEST_TMPDIR"/log/* "$(data "$node")"
    cluster start "$node"
    succeeds ls "$D/$node/locks"
}

has_lines() { (( $(wc -l < "$1") >= $2 )); } # FILE COUNT

# More lines than now in each of the files.
all_grow() { # LINES FILE...
    local more=$1 file
    local -A lines=()
    shift
    for file; do
        touch "$file"
        lines[$file]=$(wc -l < "$file")
    done
    for file; do wait_until 20 has_lines "$file" $(( lines[$file] + more )); done
}

@test "kill -9 of all nodes under load, ten times: nothing answered is lost, tokens grow" {
    local round i kind name t=$BATS_TEST_TMPDIR checkpoints
    local -a names
    checkpoints=$(du -sk "$(data 1)/store" | cut -f 1)
    for round in 1 2 3 4 5 6 7 8 9 10; do
        names=()
        for i in 1 2 3; do
            background "keeper$i" keeper "$D/$i" "keep$i" "$t/ledger$i"
            names+=("keeper$i")
            for kind in lockfile flock; do
                background "$kind$i" worker --mortal "$kind" "$D/$i/locks/$kind" "$t/$kind" "$t/no"
                names+=("$kind$i")
            done
        done
        all_grow 20 "$t"/ledger{1,2,3} "$t/lockfile.log" "$t/flock.log"
        kill -KILL "$(cluster pid 1)" "$(cluster pid 2)" "$(cluster pid 3)"
        for name in "${names[@]}"; do
            finish "$name"
            is "$status" 0 "the status of $name, which checks exclusion and its own hold"
        done
        cluster kill 1 2 3
        cluster start 1 2 3
        for i in 1 2 3; do
            succeeds keeper --check "$D/$(( i % 3 + 1 ))" "$t/ledger$i"
        done
        # Whoever had it is gone.
        rm -f "$A/locks/lockfile"
        wait_until 15 flock -n "$B/locks/flock" true
    done
    for kind in lockfile flock; do
        awk '$1 <= last { printf "token %s after %s in line %d\n", $1, last, NR; bad = 1 }
             { last = $1 }
             END { exit bad }' "$t/$kind.log" || fail "a token of $kind did not grow"
        printf '%s: %s acquisitions\n' "$kind" "$(wc -l < "$t/$kind.log")"
    done
    find "$A/locks" -name 'keep*' -delete
    printf '# answered: %s; the store of node 1 has %s KiB (%s before)\n' \
        "$(cat "$t"/ledger* | grep -cvE '^ask')" "$(du -sk "$(data 1)/store" | cut -f 1)" \
        "$checkpoints" >&3
}
