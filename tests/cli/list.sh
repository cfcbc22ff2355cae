#!/usr/bin/env bash
# `tamis list`: every kind as a table, as JSON and as Markdown; the settings in docs/ are up to date.
set -eu
. "$(dirname "$0")/../support/command_line.sh"

while read -r kind word; do
    succeed "$TAMIS" list "$kind"
    has "$scratch/out/stdout" "$word"
    [ ! -s "$scratch/out/stderr" ] || fail "list $kind wrote to standard error"
    succeed "$TAMIS" list "$kind" --json
    has "$scratch/out/stdout" "\"$kind\": ["
    has "$scratch/out/stdout" "\"$word\""
    if command -v python3 >/dev/null; then
        cp "$scratch/out/stdout" "$scratch/out/list.json"
        succeed python3 -c 'import json, sys; json.load(open(sys.argv[1]))[sys.argv[2]][0]' \
            "$scratch/out/list.json" "$kind"
    fi
    succeed "$TAMIS" list "$kind" --markdown
    has "$scratch/out/stdout" "| $word"
done <<'KINDS'
ops conv
ops pixel_shuffle
blocks esa
spaces rfdn
spaces quantnas
proxies synflow
strategies quantnas
strategies random
quantizers lsq
optimizers adamw
schedules cosine
formats onnx-quantized
settings search.epochs
KINDS

# A shipped space that did not build would end the list.
succeed "$TAMIS" list spaces
for file in "$TAMIS_SOURCE_DIR"/spaces/*.yaml; do
    name=$(basename "$file" .yaml)
    has "$scratch/out/stdout" "$name"
done

# docs/run-spec.md has the table of settings between two marks.
sed -n '/<!-- settings: begin -->/,/<!-- settings: end -->/p' "$TAMIS_SOURCE_DIR/docs/run-spec.md" |
    sed '1d;$d' >"$scratch/out/documented"
"$TAMIS" list settings --markdown >"$scratch/out/now"
same "$scratch/out/documented" "$scratch/out/now"
finish
