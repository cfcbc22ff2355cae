#!/usr/bin/env bash
# `tamis bench`: what its documents hold, and what it says of wrong words. Speeds are not looked at.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
small="--scale 2 --batch 1 --patch 12 --seconds 0.001"

# positive FILE KEY...: the first value of each key is a number above 0.
positive() {
    local file=$1 key
    shift
    for key in "$@"; do
        checks=$((checks + 1))
        grep -qE "\"$key\": ([1-9]|0\.0*[1-9])" "$file" || fail "no $key above 0 in $file"
    done
}

succeed "$TAMIS" bench ops conv 8x32x32 24-24 k3 "groups 2" --seconds 0.001 --json
cp "$scratch/out/stdout" "$scratch/out/ops"
positive "$scratch/out/ops" gflops peak_gflops fraction_of_peak seconds lanes threads
for pass in forward backward_data backward_weights; do
    has "$scratch/out/ops" "\"pass\": \"$pass\""
done
has "$scratch/out/ops" '"shape": "8x32x32 24-24 k3 groups 2"'
has "$scratch/out/ops" '"groups": 2'
[ "$(grep -c '"op":' "$scratch/out/ops")" = 3 ] || fail "the words chose other rows"
succeed "$TAMIS" bench ops quant_noise uniform --seconds 0.001 --json
positive "$scratch/out/stdout" gbytes_per_second copy_gbytes_per_second fraction_of_copy
succeed "$TAMIS" bench ops relu --seconds 0.001
has "$scratch/out/stdout" "GB/s"

# The peak counts the threads that run, and not those that were asked for.
for threads in 1 8; do
    OMP_THREAD_LIMIT=1 succeed "$TAMIS" bench ops conv 8x32x32 24-24 k3 "groups 2" --seconds 0.02 --threads $threads --json
    sed -n 's/.*"peak_gflops": \([0-9.]*\).*/\1/p' "$scratch/out/stdout" | sort -g | tail -n 1 >"$scratch/out/peak_$threads"
done
awk 'NR == 1 { one = $1 } END { exit !($1 < 3.5 * one) }' "$scratch/out/peak_1" "$scratch/out/peak_8" ||
    fail "a peak of threads that did not run"

succeed "$TAMIS" bench step tiny $small --json
cp "$scratch/out/stdout" "$scratch/out/step"
positive "$scratch/out/step" seconds_per_step flop_per_step gflops peak_gflops fraction_of_peak \
    planned_memory_bytes peak_memory_bytes forward_macs convolutions alphas share
has "$scratch/out/step" '"mode": "noise"'
macs=$(sed -n 's/.*"forward_macs": \([0-9]*\).*/\1/p' "$scratch/out/step")
has "$scratch/out/step" "\"flop_per_step\": $((12 * macs))"
for mode in direct float; do
    succeed "$TAMIS" bench step tiny $small --mode $mode --json
    has "$scratch/out/stdout" "\"mode\": \"$mode\""
    has "$scratch/out/stdout" "\"forward_macs\": $macs"
done
succeed "$TAMIS" bench step tiny $small --work retrain --mode quantized --bits 8 --json
macs=$(sed -n 's/.*"forward_macs": \([0-9]*\).*/\1/p' "$scratch/out/stdout")
has "$scratch/out/stdout" "\"flop_per_step\": $((6 * macs))"
has "$scratch/out/stdout" '"op": "lsq"'
succeed "$TAMIS" bench step tiny $small --work inference --input 10x14 --candidate deep --json
macs=$(sed -n 's/.*"forward_macs": \([0-9]*\).*/\1/p' "$scratch/out/stdout")
has "$scratch/out/stdout" "\"flop_per_step\": $((2 * macs))"
has "$scratch/out/stdout" '"height": 10'
has "$scratch/out/stdout" '"width": 14'
for work in search retrain; do
    succeed "$TAMIS" bench step tiny $small --work $work --scaling --json
    [ "$(grep -c '"factor": 4' "$scratch/out/stdout")" = $([ $work = search ] && echo 3 || echo 2) ] ||
        fail "not all rows of --scaling"
    positive "$scratch/out/stdout" relative_time_per_work planned_memory_bytes seconds_per_step
    has "$scratch/out/stdout" '"size": "batch 4"'
    has "$scratch/out/stdout" '"size": "24x24"'
done
succeed "$TAMIS" bench step tiny $small --scaling
has "$scratch/out/stdout" "8 candidates"
succeed "$TAMIS" bench memory tiny --scale 2 --batch 1 --patch 12 --json
[ "$(grep -c '"limit_share": 1.0' "$scratch/out/stdout")" = 3 ] || fail "not all works of memory"
positive "$scratch/out/stdout" arena_bytes parameter_bytes image_bytes planned_memory_bytes \
    peak_memory_bytes peak_of_planned seconds_per_step
succeed "$TAMIS" bench memory quantnas_small --batch 2 --patch 16
has "$scratch/out/stdout" "75 %"
write_tiny_spec tiny.yaml
succeed "$TAMIS" bench step tiny.yaml tiny --seconds 0.001 --scale 2 --batch 1
has "$scratch/out/stdout" "tiny.yaml: search step, noise, scale 2, batch 1 x 12x12"
has "$scratch/out/stdout" "of the peak"
[ -z "$(find . -mindepth 1 ! -name tiny.yaml)" ] || fail "bench left files behind"

for limit in 0 19MB; do
    succeed "$TAMIS" bench step quantnas_small $small --batch 4 --patch 20 --set memory_limit=$limit --json
    sed -n 's/.*"planned_memory_bytes": \([0-9]*\).*/\1/p' "$scratch/out/stdout" >"$scratch/out/arena_$limit"
done
[ "$(cat "$scratch/out/arena_19MB")" -lt "$(cat "$scratch/out/arena_0")" ] || fail "memory_limit holds no step"
refuse 2 'memory_limit: the search needs' "$TAMIS" bench step quantnas_small $small --patch 20 --set memory_limit=1
succeed "$TAMIS" bench memory espcn --scale 2 --batch 1 --patch 12 --json
has "$scratch/out/stdout" '"work": "retrain"'
[ "$(grep -c '"work": "search"' "$scratch/out/stdout")" = 0 ] || fail "a search where nothing is chosen"

refuse 2 '"tamis bench" needs' "$TAMIS" bench
refuse 2 'nothing is chosen in the space "espcn", so it has no search step; measure --work retrain' \
    "$TAMIS" bench step espcn
refuse 2 'there is no bench "stip"; did you mean "step"?' "$TAMIS" bench stip
refuse 2 '"tamis bench step" needs a SPEC or SPACE' "$TAMIS" bench step
refuse 2 '"tamis bench memory" needs a SPEC or SPACE' "$TAMIS" bench memory
refuse 2 '"tamis bench memory" does not take --work' "$TAMIS" bench memory tiny --work retrain
refuse 2 '"tamis bench memory" does not take --scaling' "$TAMIS" bench memory tiny --scaling
refuse 2 '"tamis bench ops" does not take --batch' "$TAMIS" bench ops relu --batch 2
refuse 2 'search.patch of 4 pixels is too small for the space' "$TAMIS" bench step quantnas_small --patch 4
refuse 2 '--input is for --work inference' "$TAMIS" bench step tiny --input 20x20
succeed "$TAMIS" bench ops relu --seconds 0.001 --set search.batch=2
has "$scratch/out/stderr" '--set has no effect on `tamis bench ops`'
refuse 2 'the space has no value "depth"' "$TAMIS" bench memory tiny --scale 2 --set let.depth=3
refuse 2 'no row of "tamis bench ops"' "$TAMIS" bench ops conw
refuse 2 '--work cannot be "train"; it is one of search, retrain, inference' \
    "$TAMIS" bench step tiny --work train
refuse 2 '--mode cannot be "quantized"; it is one of noise, direct, float' \
    "$TAMIS" bench step tiny --mode quantized
refuse 2 '--mode cannot be "noise"; it is one of float, quantized' \
    "$TAMIS" bench step tiny --work retrain --mode noise
refuse 2 '--scaling is for' "$TAMIS" bench step tiny --work inference --scaling --input 8x8
refuse 2 'are for --work retrain and --work inference' "$TAMIS" bench step tiny --bits 8
refuse 2 'give --arch, or --candidate and --bits' \
    "$TAMIS" bench step tiny --work retrain --arch a.yaml --bits 8
refuse 2 'not every slot of the space "tiny" offers 5 bits' \
    "$TAMIS" bench step tiny --work retrain --bits 5 --scale 2
refuse 2 'no slot of the space "tiny" has a candidate "wide"' \
    "$TAMIS" bench step tiny --work retrain --candidate wide --scale 2
for seconds in 0 -1 much 1e9; do
    refuse 2 '--seconds must be a number above 0' "$TAMIS" bench step tiny --seconds=$seconds
done
refuse 2 'tiny_not.yaml' "$TAMIS" bench step tiny_not.yaml
finish
