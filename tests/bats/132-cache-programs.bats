#!/usr/bin/env bats
# Programs that know nothing of coordfs work in cache/: what one does on one node, another finds on
# another node, and goes on with it there.

load helper

setup_file() { cluster_up; }

# The directory of this test, in the words a, b, c for the three nodes.
setup() {
    a=$A/cache/$BATS_TEST_NUMBER b=$B/cache/$BATS_TEST_NUMBER c=$C/cache/$BATS_TEST_NUMBER
    mkdir "$a"
    export HOME=$BATS_TEST_TMPDIR # no settings of the user's
}

# git as nobody in particular, who may work in what root made on another node.
git_in() { # DIRECTORY COMMAND...
    git -C "$1" -c user.name=n -c user.email=n@example.org -c safe.directory='*' \
        -c init.defaultBranch=main "${@:2}"
}

commit_in() { # DIRECTORY FILE TEXT
    printf '%s\n' "$3" > "$1/$2"
    succeeds git_in "$1" add "$2"
    succeeds git_in "$1" commit -q -m "$3"
}

# A tree with what copies have to keep: depth, links, modes, times, an empty file and a large one.
make_tree() { # DIRECTORY
    mkdir -p "$1/deep/er" "$1/empty"
    head -c 3000000 /dev/urandom > "$1/large"
    printf 'one\n' > "$1/deep/er/one"
    : > "$1/deep/none"
    ln -s er/one "$1/deep/link"
    chmod 0640 "$1/deep/er/one"
    touch -d '2001-02-03 04:05:06.789' "$1/deep/er/one" "$1/large"
    touch -h -d '2001-02-03' "$1/deep/link" # rsync sets a link's time only by whole seconds
}

# What of a tree is compared, beside the bytes. The cluster counts microseconds.
listing() { # DIRECTORY
    (cd "$1" && find . -mindepth 1 ! -type d -printf '%P %y %m %s %T@ %l\n' |
        sed -E 's/(\.[0-9]{6})[0-9]*/\1/' | sort)
}

same_trees() { # DIRECTORY DIRECTORY
    succeeds diff -r --no-dereference "$1" "$2"
    is "$(listing "$1")" "$(listing "$2")" "what $1 and $2 say of their files"
}

@test "git: init, commit, clone, push, gc and fsck, on three nodes in turns" {
    try() { # as helper's, for functions too; git_in has no bound of its own
        status=0
        output=$("$@" 2>&1 < /dev/null 3>&-) || status=$?
        printf '$ %s\n%s[%s]\n' "$*" "$output" "$status"
    }
    git() { timeout -k 5 60 git "$@"; }
    succeeds git_in "$a" init -q .
    commit_in "$a" f first
    is "$(git_in "$b" status --porcelain)" '' 'what has changed, on another node'
    commit_in "$b" f second
    commit_in "$c" g third
    is "$(git_in "$a" log --format=%s | paste -sd ' ')" 'third second first' 'the history'
    succeeds git_in "$b" gc -q
    succeeds git_in "$c" fsck --full --strict
    succeeds git_in "$c" clone -q "$c" "$c/clone"
    commit_in "$a/clone" h fourth
    succeeds git_in "$a/clone" push -q origin HEAD:refs/heads/other
    is "$(git_in "$b" log -1 --format=%s other)" fourth 'what was pushed'
    succeeds git_in "$b" merge -q other
    is "$(cat "$c/h")" fourth 'the merged file'
    succeeds git_in "$a" fsck --full --strict
    is "$(git_in "$c" status --porcelain | grep -v clone)" '' 'what has changed, at the end'
}

@test "rsync: there, from one node to another, and back; what is the same is not sent again" {
    make_tree "$BATS_TEST_TMPDIR/t"
    succeeds rsync -a "$BATS_TEST_TMPDIR/t/" "$a/t/"
    same_trees "$BATS_TEST_TMPDIR/t" "$b/t"
    printf 'more\n' >> "$BATS_TEST_TMPDIR/t/large"
    rm "$BATS_TEST_TMPDIR/t/deep/none"
    succeeds rsync -a --delete --itemize-changes "$BATS_TEST_TMPDIR/t/" "$b/t/"
    is "$(grep -v '/$' <<< "$output" | awk '{ print $2 }' | sort | paste -sd ' ')" \
        'deep/none large' 'what was sent'
    same_trees "$BATS_TEST_TMPDIR/t" "$c/t"
    succeeds rsync -a "$c/t/" "$BATS_TEST_TMPDIR/back/"
    same_trees "$BATS_TEST_TMPDIR/t" "$BATS_TEST_TMPDIR/back"
}

@test "tar and cp -a: a tree from node to node" {
    make_tree "$BATS_TEST_TMPDIR/t"
    succeeds tar -C "$BATS_TEST_TMPDIR" --format=posix -cf "$a/t.tar" t
    succeeds tar -C "$b" -xf "$b/t.tar"
    same_trees "$BATS_TEST_TMPDIR/t" "$c/t"
    succeeds cp -a "$c/t" "$c/u"
    same_trees "$a/t" "$a/u"
    succeeds tar -C "$a" --format=posix -cf "$BATS_TEST_TMPDIR/back.tar" u
    mkdir "$BATS_TEST_TMPDIR/back"
    succeeds tar -C "$BATS_TEST_TMPDIR/back" -xf "$BATS_TEST_TMPDIR/back.tar"
    same_trees "$BATS_TEST_TMPDIR/t" "$BATS_TEST_TMPDIR/back/u"
    succeeds rm -r "$b/t" "$b/u"
    is "$(ls -A "$c")" t.tar 'what is left, on another node'
}

@test "sed -i, on three nodes in turns" {
    local i path
    printf 'value=0\n' > "$a/conf"
    for i in {1..10}; do
        succeeds sed -i "s/^value=.*/value=$i/" "$D/$(( i % 3 + 1 ))/cache/$BATS_TEST_NUMBER/conf"
        for path in "$a" "$b" "$c"; do is "$(cat "$path/conf")" "value=$i" "$path"; done
    done
    is "$(ls -A "$b")" conf 'what is left'
}

@test "vim: an edit with swap and backup files, on one node and another" {
    printf 'one\ntwo\n' > "$a/text"
    succeeds vim -u NONE -N -es -c 'set swapfile backup backupdir=. backupskip=' \
        -c '%s/two/three/' -c wq "$b/text"
    is "$(paste -sd ' ' "$a/text")" 'one three' 'the text'
    is "$(paste -sd ' ' "$c/text~")" 'one two' 'its backup'
    succeeds vim -u NONE -N -es -c 'set backupcopy=yes' -c '1d' -c wq "$a/text"
    is "$(cat "$b/text")" three 'the text'
    is "$(ls -A "$c" | paste -sd ' ')" 'text text~' 'what is left'
}

@test "make: what one node built is not built again on another, until a source changes" {
    printf 'int answer(void);\nint main(void) { return answer(); }\n' > "$a/main.c"
    printf 'int answer(void) { return 42; }\n' > "$a/answer.c"
    printf 'p: main.o answer.o\n\t$(CC) -o $@ $^\n' > "$a/Makefile"
    succeeds make -C "$a" -j2
    try "$b/p"
    is "$status" 42 'what the program says'
    succeeds make -C "$b" -j2
    like "$output" 'up to date' 'what make says on another node'
    sleep 0.02
    sed -i s/42/43/ "$c/answer.c"
    succeeds make -C "$c" -j2
    [[ $output == *answer.c* && $output != *main.c* ]] || fail 'it should build one of the two'
    try "$a/p"
    is "$status" 43 'what the program says'
}

@test "ccache: what one node compiled is a hit on another" {
    local i
    export CCACHE_DIR=$a/cc CCACHE_NOHASHDIR=1
    mkdir "$BATS_TEST_TMPDIR/src"
    for i in 1 2 3 4; do
        printf 'int f%d(void) { return %d; }\n' "$i" "$i" > "$BATS_TEST_TMPDIR/src/$i.c"
    done
    cd "$BATS_TEST_TMPDIR/src"
    for i in 1 2 3 4; do succeeds ccache gcc -c "$i.c"; done
    is "$(ccache --print-stats | awk '$1 == "cache_miss" { print $2 }')" 4 'misses'
    rm ./*.o
    CCACHE_DIR=$b/cc
    for i in 1 2 3 4; do succeeds ccache gcc -c "$i.c"; done
    is "$(CCACHE_DIR=$c/cc ccache --print-stats | awk '
        $1 ~ /^(direct|preprocessed)_cache_hit$/ { hits += $2 }
        $1 == "cache_miss" { misses = $2 }
        END { print hits, misses }')" '4 4' 'hits and misses'
}

# churn NAME DIRECTORY: makes, moves and removes names until $BATS_TEST_TMPDIR/stop is there.
churn() {
    background "$1" bash -c '
        until [[ -e $2/stop ]]; do
            : > "$1/x"
            mkdir "$1/y"
            mv -T "$1/x" "$1/z"
            rm -f "$1/z"
            rmdir "$1/y"
        done 2> /dev/null
        true' churn "$2" "$BATS_TEST_TMPDIR"
}

@test "ls in a loop while two nodes make, move and remove names: none that stays is missing" {
    local i end
    for i in 1 2 3 4 5; do : > "$a/stays$i"; done
    for i in 1 2; do churn "a$i" "$a" && churn "b$i" "$b"; done
    end=$(( $(now_ms) + 3000 ))
    while (( $(now_ms) < end )); do
        for i in "$a" "$b" "$c"; do
            is "$(timeout 20 ls "$i" | grep -c stays)" 5 "the names that stay, on $i"
        done
    done
    : > "$BATS_TEST_TMPDIR/stop"
    for i in a1 a2 b1 b2; do
        finish "$i"
        is "$status" 0 "the status of $i"
    done
}

@test "truncate(2) of a path is not held back, as the truncation of an open is" {
    printf 'value\n' > "$a/k"
    is "$(cat "$b/k")" value 'the value, on another node'
    succeeds python3 -c '
import os, sys
os.truncate(sys.argv[1], 0)
assert os.stat(sys.argv[2]).st_size == 0
assert open(sys.argv[2], "rb").read() == b""' "$a/k" "$b/k"
}
