#!/usr/bin/env bash
# A run killed with SIGKILL in the middle of the search, and again in the middle of retraining, ends
# with the same bits as one that was left alone. So does one that was interrupted politely.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml
cat >>tiny.yaml <<'END'
checkpoint: {interval: 0, steps: 10}
log: {every: 5}
END
settings=(--set search.steps_per_epoch=50 --set retrain.steps=400 --set baselines.fixed=false)
files=(arch.yaml weights.safetensors quantized.safetensors result.json
    checkpoint/supernet.safetensors)

succeed "$TAMIS" run tiny.yaml "${settings[@]}" --out whole --quiet

# stop SIGNAL STAGE STEP FOLDER: starts or resumes the run and sends the signal once the journal has
# this step; sets `code` to how the program ended.
stop() {
    "$TAMIS" run tiny.yaml "${settings[@]}" --out "$4" --resume --quiet \
        >/dev/null 2>"$scratch/out/stderr" &
    local process=$! waited=0
    until grep -q "\"stage\": *\"$2\".*\"step\": *$3[,}]" "$4/journal.jsonl" 2>/dev/null; do
        kill -0 $process 2>/dev/null || { fail "the run ended before step $3 of $2"; break; }
        waited=$((waited + 1))
        [ $waited -lt 6000 ] || { fail "step $3 of $2 never came"; break; }
        sleep 0.01
    done
    kill "-$1" $process 2>/dev/null || :
    code=0
    wait $process 2>/dev/null || code=$?
}

stop KILL search 59 killed
[ $code = 137 ] || fail "exit code $code after SIGKILL in the search"
[ ! -e killed/arch.yaml ] || fail "the search had ended already"
stop KILL retrain 99 killed
[ $code = 137 ] || fail "exit code $code after SIGKILL in retraining"
[ -e killed/arch.yaml ] || fail "retraining without an architecture"
[ ! -e killed/weights.safetensors ] || fail "retraining had ended already"
# A line that the dying process only half wrote.
printf '{"event": "step", "sta' >>killed/journal.jsonl
succeed "$TAMIS" run tiny.yaml "${settings[@]}" --out killed --resume
for file in "${files[@]}"; do same "whole/$file" "killed/$file"; done
has "$scratch/out/stdout" "Report: killed/report.html"

stop INT search 59 stopped
[ $code = 130 ] || fail "exit code $code after SIGINT"
has "$scratch/out/stderr" "interrupted at step"
[ "$(wc -l <"$scratch/out/stderr")" = 1 ] || fail "not one sentence after SIGINT"
# The newest checkpoint spoiled: the one before it serves.
printf 'spoiled' | dd of=stopped/checkpoint/search.safetensors bs=1 seek=2000 conv=notrunc 2>/dev/null
succeed "$TAMIS" run tiny.yaml "${settings[@]}" --out stopped --resume
has "$scratch/out/stderr" "warning"
for file in "${files[@]}"; do same "whole/$file" "stopped/$file"; done

# A search of two phases, killed in each of them.
settings=(--set search.strategy=spos --set search.path_steps=150 --set search.ratings=150 --set baselines.fixed=false)
succeed "$TAMIS" run tiny.yaml "${settings[@]}" --out whole_spos --quiet
stop KILL search 59 killed_spos
[ $code = 137 ] || fail "exit code $code after SIGKILL in the training of paths"
stop KILL search 229 killed_spos
[ $code = 137 ] || fail "exit code $code after SIGKILL in the evolution"
[ ! -e killed_spos/arch.yaml ] || fail "the evolution had ended already"
succeed "$TAMIS" run tiny.yaml "${settings[@]}" --out killed_spos --resume
for file in "${files[@]}"; do same "whole_spos/$file" "killed_spos/$file"; done
settings=()

# Two processes do not write into one run.
"$TAMIS" run tiny.yaml --set search.steps_per_epoch=5000 --out busy --quiet >/dev/null 2>&1 &
process=$!
until [ -s busy/journal.jsonl ]; do sleep 0.01; done
code=0
"$TAMIS" run tiny.yaml --set search.steps_per_epoch=5000 --out busy --resume --quiet \
    >/dev/null 2>"$scratch/out/stderr" || code=$?
[ $code = 1 ] || fail "exit code $code for a run in use"
has "$scratch/out/stderr" "in use by another process with the id $process"
kill -TERM $process
wait $process || :
finish
