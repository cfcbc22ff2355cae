#!/usr/bin/env bash
# tamis upscale: one picture and a folder, quantized and in 32 bits, in tiles; nothing is overwritten.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml
succeed "$TAMIS" run tiny.yaml --out run --quiet
picture=run/images/0-hr.png

succeed "$TAMIS" upscale run --in $picture --out large.png
has "$scratch/out/stderr" "quantized"
succeed "$TAMIS" upscale run --in $picture --out float.png --float
has "$scratch/out/stderr" "32 bit"
cmp -s large.png float.png && fail "32 bits and quantized agree" || :
succeed "$TAMIS" upscale run/arch.yaml --in $picture --out again.png --quiet
same large.png again.png

# The integer engine: another picture than 32 bits, the same in a folder, refused without quantized weights.
succeed "$TAMIS" upscale run --in $picture --out integer.png --engine integer
has "$scratch/out/stderr" "on integers"
cmp -s integer.png float.png && fail "32 bits and integers agree" || :
refuse 2 "needs quantized weights" "$TAMIS" upscale run --in $picture --out new.png --engine integer --float
refuse 2 "unknown engine" "$TAMIS" upscale run --in $picture --out new.png --engine analog
succeed "$TAMIS" eval run --data $picture --engine integer
has "$scratch/out/stdout" "quantized, integer engine"

# In tiles the picture has the same size.
succeed "$TAMIS" upscale run --in $picture --out tiles.png --tile 20
[ "$(head -c 32 tiles.png | cksum)" = "$(head -c 32 large.png | cksum)" ] || fail "another size in tiles"

mkdir pictures
cp $picture pictures/a.png
cp $picture pictures/b.png
echo text >pictures/notes.txt
succeed "$TAMIS" upscale run --in pictures --out larger
same larger/a.png large.png
same larger/b.png large.png
[ "$(ls larger)" = "a.png
b.png" ] || fail "unexpected files: $(ls larger)"

refuse 2 "is there already; replace it with --force" "$TAMIS" upscale run --in $picture --out large.png
refuse 2 "is there already; replace it with --force" "$TAMIS" upscale run --in pictures --out larger
mkdir target
refuse 2 "is a folder, but --in is a picture" "$TAMIS" upscale run --in $picture --out target
refuse 1 "there is no folder \"nowhere\"" "$TAMIS" upscale run --in $picture --out nowhere/new.png
refuse 2 "a name that ends in .png" "$TAMIS" upscale run --in $picture --out new.jpg
# A picture is never replaced by its own enlargement.
ln pictures/a.png linked.png
refuse 2 "would be replaced by what is made of it" "$TAMIS" upscale run --in pictures/a.png --out linked.png --force
refuse 2 "would be replaced by what is made of it" "$TAMIS" upscale run --in pictures --out ./pictures/ --force

succeed "$TAMIS" upscale run --in $picture --out document.png --json
has "$scratch/out/stdout" '"out": "document.png"'

# Broken pictures are named, and the others upscaled.
cp -r pictures mixed
head -c 200 $picture >mixed/a.png
printf junk >mixed/c.jpg
code=0
"$TAMIS" upscale run --in mixed --out mixed-larger >out 2>err || code=$?
[ $code = 3 ] || fail "broken pictures: exit code $code"
has err "mixed/a.png: "
has err "mixed/c.jpg: "
same mixed-larger/b.png large.png
[ "$(ls -A mixed-larger)" = b.png ] || fail "unexpected files: $(ls -A mixed-larger)"

refuse 2 "needs --in and --out" "$TAMIS" upscale run --in $picture
refuse 2 "there is no run or architecture" "$TAMIS" upscale nothing --in $picture --out new.png
refuse 3 "missing.png" "$TAMIS" upscale run --in missing.png --out new.png
cp $picture pictures/b.jpg
refuse 3 "would both be written to" "$TAMIS" upscale run --in pictures --out new
mkdir empty
refuse 3 "has no pictures" "$TAMIS" upscale run --in empty --out new
finish
