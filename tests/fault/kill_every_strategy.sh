#!/usr/bin/env bash
# A search killed with SIGKILL goes on to the same architecture and the same supernet, whatever the
# strategy.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml
cat >>tiny.yaml <<'END'
checkpoint: {interval: 0, steps: 4}
log: {every: 1}
END
# Populations of two, so that the trial in which an evolution is killed has parents.
common=(--set search.steps_per_epoch=8 --set search.trials=4 --set search.trial_steps=8
    --set search.population=2 --set search.halving=2
    --set retrain.steps=1 --set quantize.steps=1 --set baselines.fixed=false --set baselines.bits=8 --quiet)

# check NAME SETTING...: a run left alone, and one killed in its search. `killed` counts those that
# were killed before their search had ended.
killed=0
check() {
    local name=$1 waited=0 process
    shift
    succeed "$TAMIS" run tiny.yaml "${common[@]}" "$@" --out "$name-whole"
    "$TAMIS" run tiny.yaml "${common[@]}" "$@" --out "$name" >/dev/null 2>&1 &
    process=$!
    until grep -q '"stage": *"search".*"step": *17[,}]' "$name/journal.jsonl" 2>/dev/null; do
        kill -0 $process 2>/dev/null || break
        waited=$((waited + 1))
        [ $waited -lt 6000 ] || { fail "$name: the search never came to step 17"; break; }
        sleep 0.01
    done
    kill -KILL $process 2>/dev/null || :
    wait $process 2>/dev/null || :
    [ -e "$name/arch.yaml" ] || killed=$((killed + 1))
    succeed "$TAMIS" run tiny.yaml "${common[@]}" "$@" --out "$name" --resume
    same "$name-whole/arch.yaml" "$name/arch.yaml"
    if [ -e "$name-whole/checkpoint/supernet.safetensors" ]; then
        same "$name-whole/checkpoint/supernet.safetensors" "$name/checkpoint/supernet.safetensors"
    fi
}

succeed "$TAMIS" list strategies --json
strategies=$(grep -o '"name": *"[a-z0-9_]*"' "$scratch/out/stdout" | grep -o '[a-z0-9_]*"$' | tr -d '"')
[ -n "$strategies" ] || fail "no strategies listed"
count=0
for strategy in $strategies; do
    space=tiny
    [ "$strategy" != edmips ] || space=planted_bits
    count=$((count + 1))
    check "$strategy" --set "search.strategy=$strategy" --set "space=$space"
done
check second_order --set search.strategy=darts --set search.darts_order=2
# On a loaded machine a search may have ended before the signal came, but not each.
[ $((2 * killed)) -gt $count ] || fail "only $killed of $count searches were killed before they ended"
finish
