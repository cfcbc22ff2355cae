#!/usr/bin/env bash
# The main job on generated images: table and report at the end, every file in the run folder, JSON,
# the other commands on what it left; the same bits on one thread and on two.
set -eu
. "$(dirname "$0")/../support/command_line.sh"
write_tiny_spec tiny.yaml

succeed "$TAMIS" run tiny.yaml --threads 1
for row in bicubic "searched, 32 bit" "searched, quantized" "best fixed, 32 bit" "best fixed, 4 bit"; do
    has "$scratch/out/stdout" "$row"
done
has "$scratch/out/stdout" "Protocol: "
has "$scratch/out/stdout" "LR input of the costs: 32x32"
has "$scratch/out/stdout" "Report: runs/tiny/report.html"
has "$scratch/out/stderr" "search"
for file in spec.yaml space.yaml arch.yaml weights.safetensors quantized.safetensors journal.jsonl \
    result.json report.html; do
    [ -s "runs/tiny/$file" ] || fail "no $file in the run folder"
done
has runs/tiny/report.html "</html>"
has runs/tiny/report.html "searched, quantized"

# The spec with every default is a spec, and gives the same run; two threads give the same bits.
succeed "$TAMIS" run runs/tiny/spec.yaml --out two --threads 2 --json --quiet
[ ! -s "$scratch/out/stderr" ] || fail "--quiet wrote to standard error"
has "$scratch/out/stdout" '"run": "two"'
has "$scratch/out/stdout" '"report": "two/report.html"'
has "$scratch/out/stdout" '"name": "searched, quantized"'
for file in arch.yaml weights.safetensors quantized.safetensors result.json checkpoint/fixed.yaml \
    checkpoint/supernet.safetensors checkpoint/fixed.weights.safetensors \
    checkpoint/fixed-4.weights.safetensors images/0-quantized.png; do
    same "runs/tiny/$file" "two/$file"
done

# Another seed is another run; --force replaces one.
succeed "$TAMIS" run tiny.yaml --out two --force --seed 2 --quiet
if cmp -s runs/tiny/weights.safetensors two/weights.safetensors; then fail "seeds 1 and 2 agree"; fi

# The stages alone give what the whole run gave.
succeed "$TAMIS" search tiny.yaml --out alone --quiet
same runs/tiny/arch.yaml alone/arch.yaml
has "$scratch/out/stdout" "Architecture: alone/arch.yaml"
[ ! -e alone/weights.safetensors ] || fail "search has trained weights"
succeed "$TAMIS" retrain alone/arch.yaml --quiet --json
has "$scratch/out/stdout" '"run": "runs/alone-retrained"'
same runs/tiny/weights.safetensors runs/alone-retrained/weights.safetensors
succeed "$TAMIS" quantize runs/alone-retrained --quiet
same runs/tiny/quantized.safetensors runs/alone-retrained/quantized.safetensors
succeed "$TAMIS" quantize runs/tiny --force --quiet
same runs/alone-retrained/quantized.safetensors runs/tiny/quantized.safetensors
succeed "$TAMIS" quantize runs/tiny --set quantize.steps=3 --out short --quiet
same runs/tiny/weights.safetensors short/weights.safetensors
succeed "$TAMIS" run tiny.yaml --out alone --resume --quiet
same runs/tiny/quantized.safetensors alone/quantized.safetensors

# Evaluation and report of what is there.
succeed "$TAMIS" eval runs/tiny --data leaves --input 32x48 --out scores --save-images upscaled --json
has "$scratch/out/stdout" '"input": "48x32"'
has "$scratch/out/stdout" '"coverage": '
has "$scratch/out/stdout" '"protocol": '
has "$scratch/out/stdout" '"ssim_rgb": '
[ -s scores/result.json ] || fail "eval --out left no result.json"
[ "$(find upscaled -name '*-quantized.png' | wc -l)" -gt 0 ] || fail "eval saved no images"
cp runs/tiny/report.html "$scratch/out/report.html"
succeed "$TAMIS" report runs/tiny two --out pages
has pages/tiny.html "</html>"
has pages/two.html "</html>"

# A space of one's own, beside the spec, and its run quantized where it is.
mkdir specs && cp "$TAMIS_SOURCE_DIR/spaces/tiny.yaml" specs/mine.yaml
sed 's/^space: .*/space: mine.yaml/' tiny.yaml >specs/own.yaml
succeed "$TAMIS" run specs/own.yaml --out own --quiet
same runs/tiny/weights.safetensors own/weights.safetensors
succeed "$TAMIS" quantize own --force --quiet
same runs/tiny/quantized.safetensors own/quantized.safetensors

# A network in which nothing is chosen is trained without a search; a space is no architecture.
sed -e 's/^space: .*/space: pan/' -e 's/^name: .*/name: pan/' tiny.yaml >pan.yaml
succeed "$TAMIS" run pan.yaml --set let.width=4 --set let.blocks=1 --set let.wide=2
has "$scratch/out/stderr" 'nothing is chosen in the space "pan"'
has "$scratch/out/stdout" "searched, quantized"
[ -s runs/pan/arch.yaml ] || fail "no architecture of a space without choices"
[ ! -e runs/pan/checkpoint/supernet.safetensors ] || fail "a space without choices was searched"
refuse 2 "is a space; an architecture is one network of it" \
    "$TAMIS" retrain "$TAMIS_SOURCE_DIR/spaces/pan.yaml"
succeed "$TAMIS" search pan --out only
has "$scratch/out/stdout" "Architecture: only/arch.yaml"
finish
