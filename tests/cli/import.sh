#!/usr/bin/env bash
# `tamis import`: weights of others become a network that the other commands take.
set -eu
. "$(dirname "$0")/../support/command_line.sh"

refuse 2 '"tamis import" needs --out' "$TAMIS" import srcnn weights.safetensors
refuse 2 'the space "tiny" has' "$TAMIS" import tiny weights.safetensors --out imported
refuse 2 'there is no shipped space "srcn"; did you mean "srcnn"' \
    "$TAMIS" import srcn weights.safetensors --out imported
refuse 3 'weights.safetensors' "$TAMIS" import srcnn weights.safetensors --out imported
[ ! -e imported ] || fail "a refused import left a folder"

weights=$shared/reference/rfdn/RFDN_AIM.safetensors
if [ ! -r "$weights" ]; then
    echo "skipped the rest: there is no $weights; set TAMIS_SHARED to the folder of shared data"
    finish
    exit
fi
succeed "$TAMIS" import rfdn_published "$weights" --out imported
refuse 2 'is there already; replace it with --force' \
    "$TAMIS" import rfdn_published "$weights" --out imported
succeed "$TAMIS" import rfdn_published "$weights" --out imported --force --json
succeed "$TAMIS" eval imported/arch.yaml --data "$shared/data/sets/Set5/baby.png" --json
checks=$((checks + 1))
grep -q '"psnr_y": 33.75' "$scratch/out/stdout" || fail "baby.png does not have its published PSNR"
finish
