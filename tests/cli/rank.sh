#!/usr/bin/env bash
# tamis rank: architectures trained alone and rated with a supernet; a table of a whole space; the
# same bits when it is stopped and goes on.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml

succeed "$TAMIS" rank tiny.yaml --out some --set rank.architectures=5 --set rank.seeds=2
has "$scratch/out/stdout" "Spearman"
has "$scratch/out/stdout" "5 architectures, each trained alone with 2 seeds"
has some/rank.md "| quantnas |"
has some/rank.md "| parameters |"
has some/rank.svg "</svg>"
[ "$(find some/architectures -name '*.yaml' | wc -l)" = 5 ] || fail "not five architectures"
[ "$(find some -name quantized.safetensors | wc -l)" = 10 ] || fail "not ten trained networks"

# Fewer of them are the first of the same, and what is rated does not depend on the threads.
succeed "$TAMIS" rank tiny.yaml --out few --set rank.architectures=3 --threads 1 --json
cp "$scratch/out/stdout" few.json
same some/architectures/a0002.yaml few/architectures/a0002.yaml
same some/a0001-1/result.json few/a0001-1/result.json
same some/quantnas-1/checkpoint/supernet.safetensors few/quantnas-1/checkpoint/supernet.safetensors
succeed "$TAMIS" rank tiny.yaml --out few --set rank.architectures=3 --threads 2 --resume --json
same "$scratch/out/stdout" few.json

# Every rating without training, on the architectures that are there.
succeed "$TAMIS" rank tiny.yaml --out few --set rank.architectures=3 --set "rank.strategies=[]" \
    --set "rank.proxies=[gradient_norm, macs, parameters, synflow]" --resume
for proxy in gradient_norm macs parameters synflow; do has few/rank.md "| $proxy |"; done

# A table without ratings; a whole space that is too large; a strategy without a supernet.
succeed "$TAMIS" rank tiny.yaml --out table --set rank.architectures=2 --set "rank.strategies=[]" --set "rank.proxies=[]" --json
has "$scratch/out/stdout" '"ratings": []'
refuse 2 "too many to train" "$TAMIS" rank tiny.yaml --out all --set space=rfdn --set rank.architectures=0
refuse 2 "did you mean \"synflow\"" "$TAMIS" rank tiny.yaml --out all --set "rank.proxies=[sinflow]"
refuse 2 "has no supernet" "$TAMIS" rank tiny.yaml --out all --set "rank.strategies=[random]"
refuse 2 'the strategy "edmips" searches bit widths alone' \
    "$TAMIS" rank tiny.yaml --out all --set "rank.strategies=[edmips]"
finish
