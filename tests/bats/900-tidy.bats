#!/usr/bin/env bats
# The house rules, as tests: a rule that nobody checks is decoration. Needs no mount.

bats_require_minimum_version 1.5.0

setup() {
    cd -- "$BATS_TEST_DIRNAME/../.." || return 1
}

# none WHAT: succeeds when standard input is empty; else shows it.
none() {
    local found
    found=$(cat)
    [[ -z $found ]] || { printf '%s:\n%s\n' "$1" "$found" && return 1; }
}

tree() { # the project's files, NUL-separated; FIND-EXPRESSION...
    find . \( -path ./build -o -path ./.git \) -prune -o -type f "$@" -print0
}

scripts() { # every shell script, bats files and sourced ones included
    tree \( -name '*.bats' -o -name '*.bash' -o -name '*.sh' \)
    tree -perm -u+x -exec grep -qIE '^#!.*\b(ba)?sh\b' {} \;
}

includes() { # DIRECTORY...: "file:line:#include ..." of all C files in it
    grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' "$@"
}

@test "the top level is the layout that a newcomer expects" {
    local layout='CMakeLists\.txt|CMakePresets\.json|LICENSE|README\.md'
    layout+='|docs|engine|fs|include|mount-scripts|tests'
    find . -mindepth 1 -maxdepth 1 -not -name '.*' -not -name build -printf '%f\n' |
        grep -vxE "$layout" | none 'not part of the layout'
}

@test "the files know the treaty and nothing of the engine" {
    includes fs | grep -E '"' | grep -vE '"(fs|coordfs)/' | none 'fs/ may include fs/ and coordfs/'
    includes fs | grep -E '<(curl|microhttpd|jansson|hiredis|lmdb)' | none 'not for fs/'
}

@test "the core knows the treaty and itself" {
    includes engine/core | grep -E '"' | grep -vE '"(core|coordfs)/' |
        none 'engine/core may include core/ and coordfs/'
}

@test "the shell knows no libfuse; the treaty knows no library" {
    includes engine include | grep -E '<fuse' | none 'libfuse is for fs/'
    includes engine/io | grep -E '"' | grep -vE '"(io|core|coordfs)/' |
        none 'engine/io may include io/, core/ and coordfs/'
    includes include | grep -vE '<(assert|errno|stdbool|stddef|stdint)\.h>|"coordfs/' |
        none 'the treaty may include the plain C headers and itself'
}

@test "the core is pure: no header of clocks, files, threads or the network" {
    local banned='<(unistd|time|pthread|fcntl|signal|poll|errno|netdb|threads|stdatomic)\.h'
    includes engine/core | grep -E "$banned|<(sys|linux|net|netinet|arpa)/" |
        none 'banned in the core'
    # env.c formats the trace's sentences and says so.
    includes engine/core | grep -F '<stdio.h>' | grep -v '^engine/core/env\.c:' |
        none 'stdio.h in the core'
}

@test "the core is pure: what it links to is memory, strings and sorting" {
    local library=build/release/libcfs_core.a
    local pure='cfs_.*|mem(cpy|set|move|cmp|chr|mem)|(m|c|re)alloc|free|qsort|bsearch|abort'
    pure+='|str(n?len|n?cmp|r?chr|n?cpy|c?spn|tol|toul|toull)|stpcpy|v?snprintf|__assert_fail'
    pure+='|__(mem|str|stp)[a-z]*_chk|__v?snprintf_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_'
    pure+='|__[a-z]+[sdt]i2' # arithmetic of the compiler'"'"'s own
    pure+='|exit'            # uthash, when memory runs out
    [[ -f $library ]] || skip 'needs the release build'
    nm -u "$library" | awk '$1 == "U" { print $2 }' | sort -u |
        grep -vxE "$pure" | none 'symbols that the core should not need'
}

@test "each file of the core has a unit test" {
    local source name
    for source in engine/core/*.c; do
        source=${source##*/}
        # What was split off for its length (lock_table_acquire.c) is tested with the whole.
        name=${source%.c}
        until [[ -f tests/unit/test_$name.c || $name != *_* ]]; do name=${name%_*}; done
        [[ -f tests/unit/test_$name.c ]] || printf 'tests/unit/test_%s\n' "$source"
    done | none 'missing'
}

@test "each planted bug is planted somewhere" {
    local id
    sed -n 's/^ *X(\(BUG_[A-Z_]*\),.*/\1/p' engine/core/planted.h | while IFS= read -r id; do
        grep -rqE "CFS_PLANTED\($id\)" engine --include='*.c' || printf '%s\n' "$id"
    done | none 'no rule is broken for'
}

@test "no file is longer than 700 lines" {
    tree -name '*.[ch]' | xargs -0 awk 'FNR > 700 { print FILENAME; nextfile }' | none 'too long'
    scripts | xargs -0 awk 'FNR > 700 { print FILENAME; nextfile }' | none 'too long'
}

@test "no function is longer than 70 lines" {
    # The brace of a function stands alone in the first column, its end too.
    tree -name '*.c' | xargs -0 awk '
        FNR == 1 { start = 0 }
        /^\{/ { start = FNR }
        /^\}/ && start {
            if (FNR - start - 1 > 70) printf "%s:%d: %d lines\n", FILENAME, start, FNR - start - 1
            start = 0
        }' | none 'too long'
}

@test "no line is wider than 100 columns" {
    { tree -name '*.[ch]' && scripts; } |
        LC_ALL=C.UTF-8 xargs -0 grep -nHE '^.{101,}' | none 'too wide'
}

@test "no tabs, no blanks at the end of a line" {
    { tree \( -name '*.[ch]' -o -name '*.txt' -o -name '*.md' \) && scripts; } |
        xargs -0 grep -nHE '[[:blank:]]+$' | none 'blanks at the end'
    { tree -name '*.[ch]' && scripts; } | xargs -0 grep -nHP '\t' | none 'tabs'
}

@test "every header guards itself and opens with a sentence" {
    local header
    while IFS= read -r -d '' header; do
        grep -qE '^#(ifndef|pragma once)' "$header" || printf '%s: no guard\n' "$header"
        [[ $(head -c 3 "$header") == '/* ' ]] || printf '%s: no opening sentence\n' "$header"
    done < <(tree -name '*.h') | none 'headers'
}

@test "every script passes shellcheck" {
    scripts | sort -zu | xargs -0 shellcheck -x
}

@test "scripts stop at the first error, and what can be run has the bit for it" {
    local script
    while IFS= read -r -d '' script; do
        [[ $(head -n 1 "$script") == *bash* && $script != *.bats ]] || continue
        grep -qE '^set -euo pipefail$' "$script" || printf '%s: no set -euo pipefail\n' "$script"
    done < <(tree -perm -u+x -exec grep -qI '^#!' {} \;) | none 'scripts'
    tree -not -perm -u+x -not -name '*.bats' -exec sh -c 'head -c 2 "$1" | grep -q "^#!"' _ {} \; |
        tr '\0' '\n' | none 'begins with #! and cannot be run'
    tree -perm -u+x -exec sh -c '! head -c 2 "$1" | grep -q "^#!"' _ {} \; |
        tr '\0' '\n' | none 'has the bit and is no program'
}

@test "the documentation names files that exist" {
    local page name trees='\.ci|docs|engine|fs|include|mount-scripts|tests'
    for page in README.md docs/*.md; do
        # `path/like/this` below one of our directories, without patterns and placeholders.
        grep -oE "\`(\./)?($trees)/[A-Za-z0-9_.@/-]+\`" "$page" |
            tr -d '`' | while IFS= read -r name; do
                [[ -e $name ]] || printf '%s names %s\n' "$page" "$name"
            done
        # [text](relative/link)
        grep -oE '\]\([^)#: ]+' "$page" | cut -c 3- | while IFS= read -r name; do
            [[ -e $(dirname "$page")/$name ]] || printf '%s links to %s\n' "$page" "$name"
        done
    done | none 'missing'
}

@test "every setting of coordfs --help is explained in docs/operations.md" {
    local coordfs=${COORDFS:-build/release/coordfs} key
    [[ -x $coordfs ]] || skip 'needs the release build'
    "$coordfs" --help | sed -n '/^Options:/,/^$/s/^  \([a-z_][a-z_]*\).*/\1/p' |
        while IFS= read -r key; do
            grep -qE "^\| \`$key\`" docs/operations.md || printf '%s\n' "$key"
        done | none 'not in docs/operations.md'
}

@test "nothing is left for later" {
    # In pieces, so that this line is not found.
    tree | xargs -0 grep -nHIwE 'TO''DO|FIX''ME|XX''X|HA''CK' | none 'left for later'
    tree \( -name '*.[ch]' -o -path './mount-scripts/*' \) |
        xargs -0 grep -nHIwiE 'not imple''mented|unimple''mented|st''ub' | none 'unfinished'
}
