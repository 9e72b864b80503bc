#!/usr/bin/env bats
# The benchmark of cache/, on a tmpfs in place of mounts: what it measures is there, and its judge
# finds what a cache must not do.

load helper

CLIENT=$ROOT/build/release/tests/cache_client

setup() {
    [[ -x $CLIENT ]] || skip 'needs the release build'
    [[ $(stat -f -c %T /dev/shm) == tmpfs ]] || skip 'needs a tmpfs on /dev/shm'
    ram=$(mktemp -d /dev/shm/coordfs-bats.XXXXXX)
    mkdir -p "$ram"/{a,b}/cache
}

teardown() {
    [[ -z ${copier:-} ]] || kill "$copier"
    [[ -z ${server:-} ]] || kill "$server"
    [[ -z ${ram:-} ]] || rm -rf "$ram"
}

teardown_file() { :; }

numbers='[0-9]+ [0-9.]+ [0-9.]+'

@test "each verb of the client measures something and leaves nothing behind" {
    local verb system
    for verb in get put miss renew share; do
        for system in file file-rename file-held; do
            [[ $system != file-held || $verb == get ]] || continue
            try "$CLIENT" "$system" "$verb" 0.05 100 "$ram/a" "$ram/a" "$ram/a"
            like "$output" "^$numbers" "$system $verb"
        done
    done
    try "$CLIENT" spawn 0.05 true
    like "$output" "^$numbers" 'spawn'
    [[ -z $(ls -A "$ram/a/cache") ]] || fail "left behind: $(ls -A "$ram/a/cache")"
}

@test "values go through a Redis as they were stored" {
    type -P redis-server > /dev/null || skip 'needs redis-server'
    redis-server --port 0 --unixsocket "$ram/sock" --save '' --dir "$ram" > /dev/null 3>&- &
    server=$!
    wait_until 10 test -S "$ram/sock"
    for bytes in 100 1048576; do
        try "$CLIENT" redis get 0.05 "$bytes" "$ram/sock"
        like "$output" "^$numbers" 'get'
    done
}

@test "a rename is never stale, back or torn; a large value that is truncated first is torn" {
    try "$CLIENT" file-rename share 0.3 65536 "$ram/a" "$ram/a" "$ram/a"
    like "$output" "^$numbers [0-9]+ 0 0 0$" 'by rename'
    try "$CLIENT" file share 0.3 1048576 "$ram/a" "$ram/a" "$ram/a"
    like "$output" "^$numbers [0-9]+ 0 0 [1-9][0-9]*$" 'by truncating'
}

@test "a reader that sees a value only after it was answered is found stale" {
    # What a cache without coherence would do: another directory, to which somebody copies.
    while :; do
        cp "$ram"/a/cache/bench-share-* "$ram/b/cache/.new" 2> /dev/null || continue
        for file in "$ram"/a/cache/bench-share-*; do
            mv "$ram/b/cache/.new" "$ram/b/cache/${file##*/}"
        done
    done 2> /dev/null 3>&- &
    copier=$!
    try "$CLIENT" file-rename share 0.3 100 "$ram/a" "$ram/a" "$ram/b"
    like "$output" "^$numbers [0-9]+ [1-9][0-9]* 0 0$" 'stale'
}

@test "the whole benchmark runs, and says what is kept to" {
    try "$ROOT/tests/bench/cache" --rounds 1 --seconds 0.02 --systems 'file tmpfs' \
        --mounts "$ram/a,$ram/a,$ram/a"
    like "$output" $'\nhit +1048576 +file .*\nreplace +100 +rename .*\nshare +100 +> ' 'the table'
    like "$output" $'\nstale, of [0-9]+ reads while it changes +0 +at most 0 +yes' 'the bars'
}
