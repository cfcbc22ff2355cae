# What the scripts of tests/cli and tests/fault share; to be sourced. Goes to a temporary folder that
# is removed at the end.
: "${TAMIS:?set TAMIS to the program to be tested}"
: "${TAMIS_SOURCE_DIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
shared=${TAMIS_SHARED:-$TAMIS_SOURCE_DIR/../shared}
case $TAMIS in /*) ;; *) TAMIS=$PWD/$TAMIS ;; esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/work" "$scratch/out"
cd "$scratch/work"

failures=0
checks=0

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$*" >&2
}

# has FILE TEXT: the file has the text in it.
has() {
    checks=$((checks + 1))
    grep -qF -- "$2" "$1" || { fail "no \"$2\" in:"; head -n 20 "$1" >&2; }
}

# same FILE FILE
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# succeed COMMAND...: exit code 0; standard output and error are kept in $scratch/out.
succeed() {
    checks=$((checks + 1))
    local code=0
    "$@" >"$scratch/out/stdout" 2>"$scratch/out/stderr" </dev/null || code=$?
    [ $code = 0 ] || { fail "exit code $code: $*"; head -n 20 "$scratch/out/stderr" >&2; }
}

# refuse CODE TEXT COMMAND...: this exit code, exactly one sentence on standard error with this text,
# nothing on standard output, and no file made, removed or changed (a lock names its last owner).
refuse() {
    local code=0 expected=$1 text=$2
    shift 2
    checks=$((checks + 1))
    find . -type f ! -name run.lock -exec cksum {} + | sort >"$scratch/out/before"
    find . | sort >>"$scratch/out/before"
    timeout 60 "$@" >"$scratch/out/stdout" 2>"$scratch/out/stderr" </dev/null || code=$?
    find . -type f ! -name run.lock -exec cksum {} + | sort >"$scratch/out/after"
    find . | sort >>"$scratch/out/after"
    [ $code = "$expected" ] || { fail "exit code $code instead of $expected: $*"; cat "$scratch/out/stderr" >&2; }
    [ "$(wc -l <"$scratch/out/stderr")" = 1 ] || { fail "not one sentence: $*"; cat "$scratch/out/stderr" >&2; }
    has "$scratch/out/stderr" "$text"
    [ ! -s "$scratch/out/stdout" ] || fail "something on standard output: $*"
    cmp -s "$scratch/out/before" "$scratch/out/after" || { fail "files were touched: $*"; diff "$scratch/out/before" "$scratch/out/after" >&2 || :; }
}

finish() {
    echo "$checks checks, $failures failed"
    [ $failures = 0 ]
}

# A run that takes a second or two.
write_tiny_spec() {
    cat >"$1" <<'SPEC'
name: tiny
space: tiny
scale: 2
data: {train_count: 4, train_size: 64, valid_count: 2, valid_size: 48}
search: {epochs: 4, steps_per_epoch: 5, warm_up: 1, batch: 2, patch: 12, alpha_learning_rate: 0.05}
retrain: {steps: 20, batch: 2, patch: 12}
quantize: {steps: 8, batch: 2, patch: 12, calibration_batches: 2}
baselines: {bits: [4]}
cost: {height: 64, width: 64}
report: {crops: 1, crop_size: 16}
SPEC
}
