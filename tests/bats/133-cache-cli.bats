#!/usr/bin/env bats
# `coordfs put` and `coordfs get`: values from pipelines and into them, through a mount or by asking
# the cluster. What is said over HTTP in detail see tests/unit/test_value_command.c. And the page
# .coordfs/cache.

load helper

setup_file() {
    cluster_up
    export CONFIG=$D/.nodes/1/config
    URL2=$(cluster url 2)
    export URL2
}

export COORDFS=${COORDFS:-$ROOT/build/release/coordfs}

# put VALUE KEY [OPTIONS...]: through a pipeline, as in real life.
put() { printf %s "$1" | timeout 60 "$COORDFS" put "${@:2}"; }
get() { timeout 60 "$COORDFS" get "$@"; }

# answers STATUS TEXT COMMAND...: it ends so, and says TEXT.
answers() {
    local expected=$1 text=$2
    shift 2
    try "$@"
    is "$status" "$expected" "the status of $*"
    [[ $output == *"$text"* ]] || fail "this should have said '$text': $*"
}

# put_answers STATUS TEXT VALUE KEY [OPTIONS...]
put_answers() {
    answers "$1" "$2" bash -c 'printf %s "$1" | "$COORDFS" put "${@:2}"' bash "${@:3}"
}

@test "what is put is a value on every node, by key and by path" {
    put 'by key' config -o "config=$CONFIG"
    is "$(cat "$B/cache/config")" 'by key' 'what node 2 reads'
    is "$(get config -o "config=$CONFIG")" 'by key' 'what get says'
    is "$(get "$C/cache/config")" 'by key' 'what get says in a mount'
    put 'by path' "$B/cache/config"
    is "$(get config --url "$URL2" --secret-file "$D/.nodes/secret")" 'by path' 'by its url'
    (cd "$A/cache" && put 'from within' config)
    is "$(cat "$C/cache/config")" 'from within' 'what node 3 reads'
}

@test "keys are paths, and any bytes" {
    put one 'a/two words/ü' -p -o "config=$CONFIG"
    is "$(cat "$C/cache/a/two words/ü")" one 'the value'
    put two "$A/cache/b/c/d" -p
    is "$(get b/c/d -o "config=$CONFIG")" two 'the value'
    put three invalidate/x -p -o "config=$CONFIG"
    is "$(cat "$B/cache/invalidate/x")" three 'one that looks like a route'
    printf '\0\n\377' | "$COORDFS" put "$A/cache/bytes"
    is "$(get bytes -o "config=$CONFIG" | od -An -tx1)" ' 00 0a ff' 'the bytes'
    printf '' | "$COORDFS" put bytes -o "config=$CONFIG"
    is "$(stat -c %s "$B/cache/bytes")" 0 'an empty value'
}

@test "a large value is replaced in one go, also by a producer that thinks" {
    local i file=$BATS_TEST_TMPDIR
    head -c 9000000 /dev/zero | tr '\0' a > "$file/a"
    head -c 9000000 /dev/zero | tr '\0' b > "$file/b"
    "$COORDFS" put large -o "config=$CONFIG" < "$file/a"
    read_on "$B/cache/large"
    for i in 1 2 3; do
        "$COORDFS" put "$C/cache/large" < "$file/b"
        get large -o "config=$CONFIG" | cmp - "$file/b"
        (head -c 4000000 "$file/a"; sleep 0.3; tail -c 5000000 "$file/a") |
            "$COORDFS" put large -o "config=$CONFIG"
        cmp "$A/cache/large" "$file/a"
    done
    read_whole
    is "$(find "$A/cache" -name '*coordfs-*')" '' 'names that are left behind'
}

@test "a value keeps its mode; a new one has the umask's" {
    (umask 027 && put one "$A/cache/mode")
    is "$(stat -c %a "$B/cache/mode")" 640 'a new one'
    chmod 600 "$B/cache/mode"
    put two "$A/cache/mode"
    is "$(stat -c %a "$C/cache/mode")" 600 'one that is replaced'
}

@test "what is too large changes nothing, and says so" {
    put small "$A/cache/size"
    answers 1 "max_value" bash -c 'head -c 68000000 /dev/zero | "$0" put size -o "config=$1"' \
        "$COORDFS" "$CONFIG"
    answers 1 'max_value' bash -c 'head -c 68000000 /dev/zero | "$0" put "$1/cache/size"' \
        "$COORDFS" "$A"
    is "$(cat "$B/cache/size")" small 'the value'
    is "$(find "$A/cache" -name '*coordfs-*')" '' 'names that are left behind'
}

@test "conditions: absent, and of a version" {
    local version
    put one once --if-absent -o "config=$CONFIG"
    put_answers 2 'there is a value already' two once --if-absent -o "config=$CONFIG"
    put_answers 2 'there is a value already' two "$A/cache/once" --if-absent
    put one "$A/cache/once-too" --if-absent
    version=$(get once --print-version -o "config=$CONFIG")
    put two once --if-version "$version" -o "config=$CONFIG"
    put_answers 2 'not of that version' three once --if-version "$version" -o "config=$CONFIG"
    is "$(cat "$C/cache/once")" two 'the value'
    put_answers 1 '--print-version' three once --if-version 5 -o "config=$CONFIG"
}

@test "of many who put a value that is absent one has done it" {
    local i
    for i in 1 2 3 4 5 6; do
        (result=0; put "$i" "$D/$(( i % 3 + 1 ))/cache/race" --if-absent 2> /dev/null || result=$?
            echo "$result" > "$BATS_TEST_TMPDIR/race$i") &
    done
    wait_until 20 eval '[ "$(cat "$BATS_TEST_TMPDIR"/race* | wc -l)" = 6 ]'
    is "$(cat "$BATS_TEST_TMPDIR"/race* | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
        ' 1 0; 5 2;' 'how they ended'
}

@test "what is wrong is said, and what to do about it" {
    answers 2 'no such' "$COORDFS" get nothing -o "config=$CONFIG"
    answers 2 'no such' "$COORDFS" get "$A/cache/nothing"
    put_answers 1 '-p makes it' x no/where -o "config=$CONFIG"
    put_answers 1 '-p makes it' x "$A/cache/no/where"
    put_answers 1 "in no mount's cache/" x "$BATS_TEST_TMPDIR/elsewhere"
    put_answers 1 "in no mount's cache/" x "$A/locks/lock"
    put_answers 1 "in no mount's cache/" x "$BATS_TEST_TMPDIR/new/dir/x" -p
    is "$(ls "$BATS_TEST_TMPDIR")" '' 'what was made elsewhere'
    put_answers 1 'what stands behind cache/' x "$A/cache/x" -o "config=$CONFIG"
    mkdir -p "$A/cache/directory"
    ln -s config "$A/cache/link"
    put_answers 1 'directory' x directory -o "config=$CONFIG"
    put_answers 1 'directory' x "$A/cache/directory"
    put_answers 1 'symbolic link' x "$A/cache/link"
    answers 1 'cannot write' bash -c '"$0" get config -o "config=$1" > /dev/full' "$COORDFS" \
        "$CONFIG"
}

@test "another node is asked when the first one is gone" {
    cluster kill 1
    put 'without node 1' config -o "config=$CONFIG"
    is "$(get config -o "config=$CONFIG")" 'without node 1' 'the value'
    cluster start 1
    is "$(cat "$A/cache/config")" 'without node 1' 'what node 1 reads'
}

number() { awk -v key="$2" '$1 == key { print $2 }' "$D/$1/.coordfs/cache"; } # I KEY

grown() { (( $(number "$1" "$2") > $3 )); } # I KEY THAN

@test ".coordfs/cache counts what a node keeps, and what is taken back from it" {
    local misses invalidations total
    misses=$(number 2 misses)
    echo one > "$A/cache/counted"
    cat "$B/cache/counted"
    grown 2 misses "$misses" || fail 'the first reading is a miss'
    wait_until 5 grown 2 bytes 4095
    (( $(number 2 values) > 0 && $(number 2 inodes) > 0 )) || fail 'there is something'
    invalidations=$(number 2 invalidations)
    echo two > "$A/cache/counted"
    grown 2 invalidations "$invalidations" || fail 'a change takes back'
    total=$(awk '$1 ~ /^[0-9]+$/ { n += $2 } END { print n }' "$D"/[123]/.coordfs/cache)
    (( total > 0 )) || fail 'somebody is the home'
    is "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["node"])' \
        < "$B/.coordfs/cache.json")" 2 'as JSON'
    like "$(cluster curl 2 /metrics)" 'coordfs_cache_invalidations_total [1-9]' 'the metrics'
}
