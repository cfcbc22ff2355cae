#!/usr/bin/env bash
# tamis eval --latency: both engines, a table of operations, and a search by that table.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml
succeed "$TAMIS" run tiny.yaml --out run --quiet

succeed "$TAMIS" eval run --latency --seconds 0.1 --input 40x60 --threads 1 --out measured
has "$scratch/out/stdout" "60x40 pixels, 1 threads"
has "$scratch/out/stdout" "integer kernels: "
has "$scratch/out/stdout" "median ms"
has measured/latency.yaml "operation: conv 3x3, precision: integer"
has measured/latency.yaml "operation: conv 3x3, precision: float"
succeed "$TAMIS" eval run --latency --seconds 0.1 --input 40x60 --json
has "$scratch/out/stdout" '"engine": "float"'
has "$scratch/out/stdout" '"engine": "integer"'
has "$scratch/out/stdout" '"operation": "conv 3x3"'

refuse 2 "is there already; replace it with --force" "$TAMIS" eval run --latency --out measured
refuse 2 "leave out --data" "$TAMIS" eval run --latency --data leaves
refuse 2 "16 to 4096 pixels a side" "$TAMIS" eval run --latency --input 8x60
refuse 2 "--seconds is for --latency" "$TAMIS" eval run --data leaves --seconds 1
refuse 2 "there is no run or architecture" "$TAMIS" eval nothing --latency

refuse 2 "needs search.latency" "$TAMIS" search tiny.yaml --set search.cost=latency --out new
cat >partial.yaml <<'TABLE'
operations:
  - {operation: conv 9x9, precision: integer, macs: 1000000, milliseconds: 1}
TABLE
refuse 2 "has no integer row for" "$TAMIS" search tiny.yaml --set search.cost=latency \
    --set search.latency='[partial.yaml]' --out new
# Every operation of the space, whatever this run chose.
{
    echo "operations:"
    for precision in float integer; do
        for operation in "conv 1x1" "conv 3x3" "conv 5x5" "conv 3x3 grouped" "conv 5x5 grouped" "conv 1x1 grouped" \
            "conv 1x3" "conv 3x1" "depthwise 3x3" "depthwise 5x5"; do
            echo "  - {operation: $operation, precision: $precision, macs: 1000000, milliseconds: 0.02}"
        done
    done
} >whole.yaml
succeed "$TAMIS" search tiny.yaml --set search.cost=latency --set search.latency='[whole.yaml]' --out found --quiet
has "$scratch/out/stdout" "expected latency"
has found/journal.jsonl '"latency":'
finish
