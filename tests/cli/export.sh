#!/usr/bin/env bash
# tamis export: every format writes its file, what is read back is the same network, and what is refused
# writes nothing.
set -euo pipefail
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml
succeed "$TAMIS" run tiny.yaml --out run --quiet
picture=run/images/0-hr.png

# The formats of weights.
succeed "$TAMIS" export run --format safetensors --out floats.safetensors
has "$scratch/out/stdout" "floats.safetensors: "
succeed "$TAMIS" export run --format safetensors-quantized --out levels.safetensors --json
has "$scratch/out/stdout" '"format": "safetensors-quantized"'
for text in weight_scale input_zero_point weight_bits '"I8"' '"architecture"'; do
    has levels.safetensors "$text"
done

# The float weights and the architecture are the network again.
mkdir found
succeed "$TAMIS" export run --out found/net.yaml
has "$scratch/out/stdout" "found/space.yaml: "
succeed "$TAMIS" export run --out found/other.yaml # the same space
same found/net.yaml found/other.yaml
succeed "$TAMIS" import found/net.yaml floats.safetensors --out again
succeed "$TAMIS" upscale run --float --in $picture --out first.png
succeed "$TAMIS" upscale again/arch.yaml --in $picture --out second.png
same first.png second.png
succeed "$TAMIS" export again/arch.yaml --out again.safetensors
same floats.safetensors again.safetensors

# ONNX.
succeed "$TAMIS" export run --out net.onnx
has net.onnx DepthToSpace
has net.onnx output_height
succeed "$TAMIS" export run --format onnx-quantized --out quantized.onnx
has quantized.onnx DequantizeLinear

# Drawings.
succeed "$TAMIS" export run --out net.svg
has net.svg "<svg"
succeed "$TAMIS" export run --format dot --out drawing.txt
has drawing.txt "digraph"

# A pipe gets the file and nothing else.
succeed "$TAMIS" export run --out net.dot
code=0
timeout 20 "$TAMIS" export run --format dot --out /dev/stdout 2>&1 | cat >piped.dot || code=$?
[ $code = 0 ] || fail "exporting to a pipe: exit code $code"
same net.dot piped.dot

# The C file is the integer engine.
if command -v gcc >/dev/null; then
    succeed "$TAMIS" export run --out net.c
    has net.c '#include "net.h"'
    succeed gcc -std=c99 -O1 -Wall -Wextra -pedantic -Werror -DMODEL_MAIN net.c -o net -lm
    # Its main reads any head of a PPM, and says what is wrong with others.
    pixels=$(printf '%0768d' 0) # 16x16
    printf 'P6\n16 16\n255\n%s' "$pixels" >plain.ppm
    printf 'P6# one\n16# two\n# three\n\f16\r\n255\n%s' "$pixels" >comments.ppm
    succeed ./net plain.ppm plain-large.ppm
    succeed ./net comments.ppm comments-large.ppm
    same plain-large.ppm comments-large.ppm
    printf 'P6\n16 16\n255\n%.100s' "$pixels" >short.ppm
    refuse 3 "short.ppm: it ends too early" ./net short.ppm new.ppm
    for head in 'P3\n16 16\n255' 'P6\n16 16\n65535' 'P6\n0 16\n255' 'P6\n16 -16\n255' 'P6\n16\n' \
        'P6\n1000000 1\n255' 'P6\n16 99999999999999999999\n255' ''; do
        printf "$head\\n%s" "$pixels$pixels" >head.ppm
        refuse 3 "head.ppm: it is not a binary PPM" ./net head.ppm new.ppm
    done
    printf 'P6\n40000 1\n255\n%0120000d' 0 >wide.ppm
    refuse 3 "wide.ppm: 40000x1 pixels are too many" ./net wide.ppm new.ppm
    refuse 3 "none.ppm: it cannot be read" ./net none.ppm new.ppm
    refuse 1 "none/new.ppm: it cannot be written" ./net plain.ppm none/new.ppm
    # Options that change floats would change bits.
    code=0
    gcc -Ofast -fsyntax-only net.c 2>fast || code=$?
    [ $code = 1 ] || fail "net.c is built with -Ofast"
    has fast "compile without -ffast-math"
fi

# Refusals: nothing is written.
refuse 2 "needs --out" "$TAMIS" export run
refuse 2 "did you mean \"safetensors\"" "$TAMIS" export run --format safetensor --out new
refuse 2 "is one of " "$TAMIS" export run --format picture --out new
refuse 2 "does not say what to write" "$TAMIS" export run --out new.bin
refuse 2 "must end in .c" "$TAMIS" export run --format c --out new
refuse 2 "is there already; replace it with --force" "$TAMIS" export run --out net.svg
refuse 2 "must not have quotation marks" "$TAMIS" export run --out 'new"net.c'
# Of two files there are both or none.
mkdir pair
refuse 1 "File name too long" "$TAMIS" export run --out "pair/$(printf '%0251d' 0).yaml"
rm -f net.c
touch net.h
refuse 2 "\"net.h\" is there already" "$TAMIS" export run --out net.c
mkdir foreign
echo "space: foreign" >foreign/space.yaml
refuse 2 "\"foreign/space.yaml\" is there already" "$TAMIS" export run --out foreign/net.yaml
refuse 2 "is a folder" "$TAMIS" export run --format dot --out found
refuse 2 "the space beside the architecture" "$TAMIS" export run --out space.yaml
refuse 2 "there is no run or architecture" "$TAMIS" export nothing --out new.yaml
refuse 2 "no quantized.safetensors beside it" "$TAMIS" export again/arch.yaml --out new.c
refuse 2 "no weights.safetensors beside it" "$TAMIS" export found/net.yaml --out new.safetensors
printf x >>again/weights.safetensors
refuse 3 "again/weights.safetensors" "$TAMIS" export again/arch.yaml --out new.safetensors
succeed "$TAMIS" export run --out net.svg --force
succeed "$TAMIS" export run --out net.c --force

# Not even then what it is made of.
for file in weights.safetensors quantized.safetensors space.yaml arch.yaml; do
    refuse 2 "is what the network is read from" "$TAMIS" export run --format dot --out run/$file --force
done

# 3 bits have no integers of their own in ONNX: values are kept within their levels first.
succeed "$TAMIS" quantize run/arch.yaml --bits 3 --epochs 0 --out narrow --quiet
succeed "$TAMIS" export narrow --format onnx-quantized --out narrow.onnx
has narrow.onnx Clip

# 16 bits are more than the integer engine multiplies.
succeed "$TAMIS" quantize run/arch.yaml --bits 16 --epochs 0 --out wide --quiet
refuse 2 "2 to 8 bits" "$TAMIS" export wide --out wide.c
refuse 2 "2 to 8 bits" "$TAMIS" eval wide --engine integer --data $picture --quiet
succeed "$TAMIS" export wide --format safetensors-quantized --out wide.safetensors
has wide.safetensors '"I16"'
finish
