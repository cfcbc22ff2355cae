#!/usr/bin/env bash
# tamis compare: every strategy and seed, a random baseline always; tables, plot and JSON; a failed
# trial does not end the others; more seeds later; killed and resumed with the same bits.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml
cat >>tiny.yaml <<'SPEC'
compare: {strategies: [quantnas], seeds: 2, processes: 2}
SPEC
sed -i 's/^search: {/&trials: 1, trial_steps: 6, /' tiny.yaml
trials() { # trials FOLDER: names of the trials that are done
    grep -l '"state": "done"' "$1"/trials/*.json | sed 's,.*/,,; s,\.json$,,' | tr '\n' ' '
}

succeed "$TAMIS" compare tiny.yaml --out all
has "$scratch/out/stdout" "quantnas"
has "$scratch/out/stdout" "random"
has "$scratch/out/stdout" "95 %"
has "$scratch/out/stdout" "Hypervolume"
[ "$(trials all)" = "quantnas-1 quantnas-2 random-1 random-2 " ] || fail "trials: $(trials all)"
has all/compare.md "| quantnas |"
has all/compare.svg "</svg>"
has all/compare.json '"front_hypervolume"'

# Black-box strategies get the MACs of the supernet, whatever search.trials says.
macs() { sed -n 's/.*"event": *"derived".*"macs": *\([0-9.e+]*\).*/\1/p' "$1/journal.jsonl"; }
grep -q '"trial": *[3-9]' all/random-1/journal.jsonl || fail "random search had fewer than four trials"
awk -v spent="$(macs all/random-1)" -v budget="$(macs all/quantnas-1)" \
    'BEGIN { exit !(spent <= budget && spent > 0.6 * budget) }' ||
    fail "random search spent $(macs all/random-1) of $(macs all/quantnas-1) MACs"
has all/compare.md "Budget of strategies without a supernet"
refuse 2 "hold no trial of 60 steps; set search.trial_steps to" "$TAMIS" compare tiny.yaml --out other --set search.trial_steps=60
[ ! -e other ] || fail "a folder was made for a budget that holds nothing"

# All trials see the same images, whatever their seed.
same all/random-1/images/0-hr.png all/random-2/images/0-hr.png

# What is there is kept.
refuse 2 "--resume" "$TAMIS" compare tiny.yaml --out all
refuse 2 'unknown strategy "quantmas"; did you mean "quantnas"?' "$TAMIS" compare tiny.yaml --out other --set "compare.strategies=[quantmas]"

# What a strategy cannot do is said before anything runs.
refuse 2 'compare.strategies=[quantnas, edmips]: the strategy "edmips" searches bit widths alone' \
    "$TAMIS" compare tiny.yaml --out other --set "compare.strategies=[quantnas, edmips]"
refuse 2 'the strategy "pc_darts" mixes one in 7 channels' \
    "$TAMIS" compare tiny.yaml --out other --set "compare.strategies=[pc_darts]" --set search.channel_parts=7
refuse 2 'the strategy "random" has none' "$TAMIS" compare tiny.yaml --out other --set retrain.from=supernet
refuse 2 "search.limit" "$TAMIS" compare tiny.yaml --out other --set search.limit=1

# A longer comparison goes on with what was done; the trials that are new are those of a fresh one.
cp all/quantnas-1/result.json first.json
succeed "$TAMIS" compare tiny.yaml --out all --resume --set compare.seeds=3 --json
has "$scratch/out/stdout" '"seed": 3'
same all/quantnas-1/result.json first.json

# Killed with all its processes, then resumed, one trial at a time and on one thread: the same bits.
"$TAMIS" compare tiny.yaml --out killed --set compare.seeds=3 --quiet >killed.txt 2>&1 &
victim=$!
for _ in $(seq 100); do
    ls killed/trials/*.json >wait.txt 2>&1 && break
    sleep 0.05
done
kill -KILL $victim
wait $victim 2>wait.txt || :
for _ in $(seq 100); do # the trials' processes stop when the comparison does
    pgrep -f "$TAMIS compare tiny.yaml --out killed" >wait.txt || break
    sleep 0.1
done
succeed "$TAMIS" compare tiny.yaml --out killed --resume --threads 1 --set compare.seeds=3 --set compare.processes=1
for trial in quantnas-1 quantnas-3 random-2; do
    for file in arch.yaml quantized.safetensors result.json; do
        same "all/$trial/$file" "killed/$trial/$file"
    done
done

# A trial whose own process is ended goes on at its checkpoint, in the same comparison.
"$TAMIS" compare tiny.yaml --out ended --set search.epochs=300 --set compare.seeds=1 --quiet >ended.txt 2>&1 &
farm=$!
for _ in $(seq 500); do
    [ -e ended/quantnas-1/spec.yaml ] && break
    sleep 0.01
done
pkill -TERM -o -P $farm || fail "no trial's process to end"
wait $farm || fail "the comparison ended with $? after a trial's process was ended: $(cat ended.txt)"
has ended/trials/quantnas-1.log "interrupted"
[ "$(trials ended)" = "quantnas-1 random-1 " ] || fail "trials: $(trials ended)"

# A trial that fails is reported; the others end. What stood in its way gone, it is tried again.
mkdir partly
: >partly/quantnas-2

succeed "$TAMIS" compare tiny.yaml --out partly
has "$scratch/out/stdout" "1 (1 failed)"
has "$scratch/out/stdout" "Failed: quantnas, seed 2: "
[ "$(trials partly)" = "quantnas-1 random-1 random-2 " ] || fail "trials: $(trials partly)"
rm partly/quantnas-2
succeed "$TAMIS" compare tiny.yaml --out partly --resume
[ "$(trials partly)" = "quantnas-1 quantnas-2 random-1 random-2 " ] || fail "trials: $(trials partly)"
finish
