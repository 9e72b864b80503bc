#!/usr/bin/env bats
# Values for clients without a mount: the routes below /cache asked with curl on any node, beside
# programs that have the files. The answers in detail see tests/unit/test_http_api_cache.c.

load helper

setup_file() {
    cluster_up
    export AUTH=$D/.nodes/1/auth
    URL1=$(cluster url 1) URL2=$(cluster url 2) URL3=$(cluster url 3)
    export URL1 URL2 URL3
}

http() { # METHOD URL [CURL OPTIONS...]
    local method=$1 url=$2
    shift 2
    curl -sS -m 30 -X "$method" -H "@$AUTH" "$@" "$url"
}

status() { http "$@" -o /dev/null -w '%{http_code}'; }

@test "a value that is posted is read from the files of every node, at once" {
    local i turn
    is "$(status POST "$URL1/cache/key" -d one)" 201 'a new one'
    for turn in 1 2 3 4 5; do
        for i in 1 2 3; do # all keep it
            timeout 5 cat "$D/$i/cache/key" > /dev/null || fail "node $i reads it"
        done
        is "$(status POST "$URL2/cache/key" -d "turn $turn")" 200 'another one'
        for i in 2 1 3; do # the node that was asked, too
            is "$(timeout 5 cat "$D/$i/cache/key")" "turn $turn" "what node $i reads"
        done
    done
}

@test "what is written to a file is what GET answers" {
    printf 'from a file' > "$A/cache/written"
    is "$(http GET "$URL3/cache/written")" 'from a file' 'the value'
    rm "$B/cache/written"
    is "$(status GET "$URL1/cache/written")" 404 'when it is gone'
}

@test "directories are the same" {
    mkdir -p "$A/cache/one/two words"
    is "$(status POST "$URL2/cache/one/two%20words/key" -d value)" 201 'in one that mkdir made'
    is "$(timeout 5 cat "$C/cache/one/two words/key")" value 'the value'
    is "$(status POST "$URL2/cache/new/er/key?parents=1" -d value)" 201 'in new ones'
    is "$(ls "$B/cache/new/er")" key 'what is in the new one'
    is "$(status DELETE "$URL3/cache/new/er")" 409 'one that is not empty'
}

@test "a large value is replaced in one go: nobody sees a part of it" {
    local i
    head -c 3000000 /dev/zero | tr '\0' a > "$BATS_TEST_TMPDIR/a"
    head -c 3000000 /dev/zero | tr '\0' b > "$BATS_TEST_TMPDIR/b"
    is "$(status POST "$URL1/cache/large" --data-binary "@$BATS_TEST_TMPDIR/a")" 201 'the first'
    read_on "$B/cache/large"
    for i in 1 2 3 4 5; do
        is "$(status POST "$URL3/cache/large" --data-binary "@$BATS_TEST_TMPDIR/b")" 200 'b'
        http GET "$URL1/cache/large" | cmp - "$BATS_TEST_TMPDIR/b"
        is "$(status POST "$URL2/cache/large" --data-binary "@$BATS_TEST_TMPDIR/a")" 200 'a'
        cmp "$C/cache/large" "$BATS_TEST_TMPDIR/a"
    done
    read_whole
    is "$(find "$A/cache" -name '*coordfs-*')" '' 'names that are left behind'
}

@test "one of many who swap a value at once has swapped it" {
    local etag i
    http POST "$URL1/cache/counter" -d 0
    etag=$(http GET "$URL1/cache/counter" -o /dev/null -w '%header{etag}')
    for i in 1 2 3 4 5 6; do
        (http POST "$(cluster url $(( i % 3 + 1 )))/cache/counter" -H "If-Match: $etag" -d "$i" \
            -o /dev/null -w '%{http_code}\n' > "$BATS_TEST_TMPDIR/swap$i") &
    done
    wait_until 15 eval '[ "$(cat "$BATS_TEST_TMPDIR"/swap* | wc -l)" = 6 ]'
    is "$(cat "$BATS_TEST_TMPDIR"/swap* | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
        ' 1 200; 5 412;' 'how they ended'
    for i in 1 2 3 4 5 6; do
        (http POST "$(cluster url $(( i % 3 + 1 )))/cache/only" -H 'If-None-Match: *' -d "$i" \
            -o /dev/null -w '%{http_code}\n' > "$BATS_TEST_TMPDIR/new$i") &
    done
    wait_until 15 eval '[ "$(cat "$BATS_TEST_TMPDIR"/new* | wc -l)" = 6 ]'
    is "$(cat "$BATS_TEST_TMPDIR"/new* | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
        ' 1 201; 5 412;' 'how they ended'
}
