#!/usr/bin/env bash
# `tamis check` of the shipped specs and spaces.
set -eu
. "$(dirname "$0")/../support/command_line.sh"

# Images that a spec names may not be here: generated ones take their place.
for spec in "$TAMIS_SOURCE_DIR"/search/*.yaml; do
    succeed "$TAMIS" check "$spec" --set data.train=leaves --set data.valid=leaves \
        --set 'data.test=[]' --set data.train_count=2 --set data.train_size=512
    has "$scratch/out/stdout" "is a good spec"
    has "$scratch/out/stdout" "whole process"
done
for space in "$TAMIS_SOURCE_DIR"/spaces/*.yaml; do
    succeed "$TAMIS" check "$space" --batch 1 --patch 16
    has "$scratch/out/stdout" "is a good space"
done

# 3 + 1 + 2 candidates, two widths where a convolution is searched; identity stands alone.
# body: conv3 2, identity 1, deep (inner 2 * 2) 4 = 7; upsample 2 * 2 = 4.
succeed "$TAMIS" check tiny --scale 2 --input 32x32 --json
has "$scratch/out/stdout" '"architectures": 28'
has "$scratch/out/stdout" '"input": "32x32"'
has "$scratch/out/stdout" '"kind": "space"'
succeed "$TAMIS" check "$TAMIS_SOURCE_DIR/spaces/tiny.yaml" --scale 2
has "$scratch/out/stdout" "28 architectures, 3 slots"

# Drawings: the choices are in them; a file is replaced only with --force.
for space in "$TAMIS_SOURCE_DIR"/spaces/*_small.yaml; do
    succeed "$TAMIS" check "$space" --batch 1 --patch 16 --drawing space.svg --force
    has space.svg "</svg>"
done
succeed "$TAMIS" check mbconv_small --batch 1 --patch 16 --drawing space.dot
has space.dot "digraph"
has space.dot "inverted3_expansion1 · 4 | 8 bit"
has space.dot "[style=dashed]"
has space.dot "8 → 4 | 8 · 8 bit"
refuse 2 "is there already" "$TAMIS" check tiny --drawing space.dot
refuse 2 "ends in .svg or .dot" "$TAMIS" check tiny --drawing space.png
rm space.svg space.dot

write_tiny_spec tiny.yaml
succeed "$TAMIS" check tiny.yaml --json --set data.train_count=3
has "$scratch/out/stdout" '"kind": "spec"'
has "$scratch/out/stdout" '"images": 3'
[ -z "$(find . -mindepth 1 ! -name tiny.yaml)" ] || fail "check left files behind"
# The drawings in docs/ are those of the spaces.
mkdir drawings
succeed "$TAMIS_SOURCE_DIR/docs/spaces/draw" "$TAMIS" drawings
for file in "$TAMIS_SOURCE_DIR"/docs/spaces/*.svg; do
    same "$file" "drawings/$(basename "$file")"
done
finish
