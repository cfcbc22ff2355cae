#!/usr/bin/env bash
# Spaces of ten thousand steps, or nested as deep as can be, are handled or refused in a sentence within
# a second of computing. The limit here is twice that, as other work slows a processor.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
limit=2
[ -z "${TAMIS_SANITIZED:-}" ] || limit=60

# lines N TEXT: the text once for each of 1 .. N, which stands for its @.
lines() {
    seq "$1" | awk -v text="$2" '{ line = text; gsub(/@/, $1, line); print line }'
}

# space NAME STEPS [REST]: NAME.yaml with these steps in its network, and further sections.
space() {
    cat >"$1.yaml" <<SPACE
space: large
let: {w: 8}
bits: [4, 8]
network:
  - conv: {out: w, kernel: 3, bits: 8, name: s0}
$2
  - conv: {out: 3*scale^2, kernel: 3, bits: 8}
  - pixel_shuffle: {scale: scale}
${3:-}
SPACE
}

# Processor seconds of what this shell has run so far. To be called in this shell, not in a pipe.
spent() {
    times >"$scratch/out/times"
    seconds=$(awk 'NR == 2 { gsub(/[ms]/, " "); print $1 * 60 + $2 + $3 * 60 + $4 }' "$scratch/out/times")
}

# timed NAME COMMAND...: as the command, within the limit.
timed() {
    local name=$1 before
    shift
    spent
    before=$seconds
    "$@"
    spent
    checks=$((checks + 1))
    awk -v before="$before" -v after="$seconds" -v limit="$limit" 'BEGIN { exit after - before > limit }' ||
        fail "$name: more than $limit s of processor time"
    echo "$name: $(awk -v before="$before" -v after="$seconds" 'BEGIN { print after - before }') s"
}

# good NAME TEXT: `check` is content, and says this.
good() {
    timed "$1" succeed "$TAMIS" check "$1.yaml"
    has "$scratch/out/stdout" "$2"
}
bad() {
    timed "$1" refuse 2 "$2" "$TAMIS" check "$1.yaml"
}

three='choices:
  three: [conv: {kernel: 3}, conv: {kernel: 1}, identity]'

space convolutions "$(lines 10000 '  - conv: {out: w, kernel: 3, bits: 8}')"
good convolutions "1 architectures"
space sums "$(seq 0 9999 | awk '{ printf "  - add: {from: [s%d, s%d], name: s%d}\n", $1, int($1 / 2), $1 + 1 }')"
good sums "1 architectures"
space words "$(lines 10000 '  - relu')"
good words "1 architectures"
space own_blocks "$(lines 10000 '  - b@')" "blocks:
$(lines 10000 '  b@: [relu]')"
good own_blocks "1 architectures"
space widths "$(lines 4000 '  - conv: {out: {choose: [4, 8]}, kernel: 3, bits: 8}')
  - conv: {out: w, kernel: 1, bits: 8}"
good widths "more than 2e+308 architectures, 4000 slots"
space choices "$(lines 2000 '  - choose: {out: w, among: three}')" "$three"
good choices "2000 slots"
space tied "$(lines 2000 '  - choose: {out: w, among: three, tie: all}')" "$three"
good tied "5 architectures, 1 slots"
space depths "$(lines 1000 '  - repeat: {times: {choose: [1, 2, 3]}, do: {conv: {out: w, kernel: 3, bits: 8}}}')"
good depths "1000 slots"
space many_candidates "  - choose:
      among:
$(lines 256 '        - conv: {out: w, kernel: 3, name: c@}')"
good many_candidates "512 architectures"
space nested "  - b1" "blocks:
$(seq 198 | awk '{ printf "  b%d: [b%d]\n", $1, $1 + 1 }')
  b199: [relu]"
good nested "1 architectures"
space nested_choices "  - choose: {among: c1}" "choices:
$(seq 198 | awk '{ printf "  c%d: [identity, choose: {among: c%d}]\n", $1, $1 + 1 }')
  c199: [identity, relu]"
good nested_choices "200 architectures"
space joined "  - conv: {out: 1, kernel: 1, bits: 8, name: one}
  - concat: {from: [$(lines 4095 'one,' | tr -d '\n') one]}"
good joined "1 architectures"

space choices "$(lines 10000 '  - choose: {out: w, among: three}')" "$three"
bad choices "the network has more than 20000 operations, which is too many"
space searched "$(lines 10000 '  - conv: {out: w, kernel: 3, bits: search}')"
bad searched "the network has more than 20000 operations, which is too many"
space blocks "  - b0" "blocks:
$(seq 0 39 | awk '{ printf "  b%d: [b%d, b%d]\n", $1, $1 + 1, $1 + 1 }')
  b40: [relu]"
bad blocks "the network has more than 20000 operations, which is too many"
space trees "  - choose: {among: c0}" "choices:
$(seq 0 39 | awk '{ printf "  c%d: [choose: {among: c%d}, choose: {among: c%d}]\n", $1, $1 + 1, $1 + 1 }')
  c40: [relu, identity]"
bad trees "the network has more than 20000 operations, which is too many"
space nothing "  - b0" "blocks:
$(seq 0 39 | awk '{ printf "  b%d: [b%d, b%d]\n", $1, $1 + 1, $1 + 1 }')
  b40: [repeat: {times: 0, do: relu}]"
bad nothing "the network has more than 100000 steps, which is too many"
space nested "  - b1" "blocks:
$(seq 1000 | awk '{ printf "  b%d: [b%d]\n", $1, $1 + 1 }')
  b1001: [relu]"
bad nested "blocks are nested more than 200 deep"
space sequences "  - $(lines 10000 'seq: [' | tr -d '\n') relu $(lines 10000 ']' | tr -d '\n')"
bad sequences "nested more than 256 deep"
space repetitions "  - repeat: {times: 10000, do: relu}"
bad repetitions '"times" is 10000, but must be between 0 and 1000'
space repetitions "  - repeat: {times: 1000, do: {repeat: {times: 1000, do: {repeat: {times: 1000, do: relu}}}}}"
bad repetitions "the network has more than 20000 operations, which is too many"
space joined "  - concat: {from: [$(lines 9999 's0,' | tr -d '\n') s0]}"
bad joined '"concat" takes 10000 inputs; at most 4096 are possible'
space many_candidates "  - choose:
      among:
$(lines 10000 '        - conv: {out: w, kernel: 3, name: c@}')"
bad many_candidates '"among" has 10000 candidates; at most 256 are possible'
space widths "  - conv: {out: {choose: [$(lines 256 '@,' | tr -d '\n') 257]}, kernel: 3, bits: 8}"
bad widths '"choose" has 257 values; at most 256 are possible'

# A search of one of them begins within that time too: what nothing is chosen in has no more to do.
timed "search of convolutions" succeed "$TAMIS" search convolutions.yaml --out run --set data.train_count=1 \
    --set data.train_size=400 --set data.valid_count=1 --set data.valid_size=32 --set search.patch=16
has "$scratch/out/stdout" "choices: {}"
finish
