#!/usr/bin/env bash
# Bad input of every kind gives one clear sentence, with its position where a file is concerned, the
# right exit code, and leaves nothing behind.
set -eu
. "$(dirname "$0")/../support/command_line.sh"

# A small run and pictures to spoil.
write_tiny_spec good.yaml
succeed "$TAMIS" run good.yaml --out done --quiet
succeed "$TAMIS" eval bicubic --data leaves --scale 4 --save-images pictures --quiet
picture=$(find pictures -name '*.png' | sort | head -n 1)
mkdir empty broken notes small
head -c 500 "$picture" >broken/cut.png
echo "not a picture" >notes/notes.png
cp done/images/0-hr.png small/small.png
sed "s/kernel: 5/kernel: 7/" done/space.yaml >other.yaml
mkdir foreign && echo "mine" >foreign/journal.jsonl

run_spec() { refuse "$1" "$2" "$TAMIS" run spec.yaml --out out --quiet; }

# bad_spec CODE SENTENCE: a spec from standard input.
bad_spec() {
    cat >spec.yaml
    run_spec "$1" "$2"
    rm spec.yaml
}

# bad_set CODE SENTENCE SETTING: the good spec with one setting changed.
bad_set() { refuse "$1" "$2" "$TAMIS" run good.yaml --out out --quiet --set "$3"; }

# bad_space SENTENCE: a space from standard input, whose first lines are these two.
bad_space() {
    { printf 'space: bad\nlet: {w: 8}\n' && cat; } >space.yaml
    refuse 2 "$1" "$TAMIS" check space.yaml --quiet
    rm space.yaml
}

# bad_arch SENTENCE COMMAND-OF-SED: the architecture of the run, edited.
bad_arch() {
    sed -e "$2" done/arch.yaml >arch.yaml
    cp done/space.yaml space.yaml
    refuse 2 "$1" "$TAMIS" retrain arch.yaml --out out --quiet --spec good.yaml
    rm arch.yaml space.yaml
}

# --- Run specs ---

bad_spec 2 'spec.yaml:1:1: unknown setting "sede"; did you mean "seed"?' <<<'sede: 3'
bad_spec 2 'spec.yaml:2:3: unknown setting "search.epoch"; did you mean "epochs"?' <<<$'search:\n  epoch: 3'
bad_spec 2 'spec.yaml:1:7: ' <<<'seed: many'
bad_spec 2 'spec.yaml:1:7: ' <<<'seed: 1.5'
bad_spec 2 'spec.yaml:1:7: ' <<<'seed: [1, 2]'
bad_spec 2 'spec.yaml:1:27: expected a number' <<<'retrain: {learning_rate:  fast}'
bad_spec 2 'spec.yaml:1:20: ' <<<'baselines: {fixed: yes}'
bad_spec 2 'spec.yaml:1:8: scale is 99, but must be between 1 and 16' <<<'scale: 99'
bad_spec 2 'spec.yaml:1:9: search must be a map of settings, but is a list' <<<'search: [1, 2]'
bad_spec 2 'spec.yaml:1:24: search.quantization cannot be "noisy"' <<<'search: {quantization: noisy}'
bad_spec 2 'spec.yaml:1:20: unknown strategy "quantnos"; did you mean "quantnas"?' <<<'search: {strategy: quantnos}'
bad_spec 2 'spec.yaml:1:30: search.warm_up is 5 epochs, but the search has only 5' <<<'search: {epochs: 5, warm_up: 5}'
bad_spec 2 'spec.yaml:1:7: the name of a run must not be empty' <<<'name: a/b'
bad_spec 2 'spec.yaml:' <<<'search: {epochs: 5'
bad_spec 2 'spec.yaml:2:1: ' <<<$'seed: 1\nseed: 2'
bad_spec 2 'spec.yaml:2:1: ' <<<$'search:\n\tepochs: 3'
bad_spec 2 'spec.yaml:1:1: ' <<<'- seed'
bad_spec 2 'spec.yaml:' <<<$'seed: \xff\xfe'
bad_spec 2 'spec.yaml:1:7: ' <<<'seed: *one'
bad_spec 2 'spec.yaml:1:6: let must be a map' <<<'let: 3'
bad_spec 2 'spec.yaml:1:10: ' <<<'let: {w: wide}'
bad_spec 2 'spec.yaml:2:7: the space has no value "depht"' <<<$'space: tiny\nlet: {depht: 3}'
bad_spec 2 'spec.yaml:1:8: there is no shipped space "tinny"; did you mean "tiny"?' <<<'space: tinny'
bad_spec 2 'spec.yaml:1:8: cannot read "nosuch.yaml"' <<<'space: nosuch.yaml'
bad_spec 3 'spec.yaml:1:15: data.train: nosuch' <<<'data: {train: nosuch}'
bad_spec 3 'spec.yaml:1:15: data.valid: empty' <<<'data: {valid: empty}'
bad_spec 3 'spec.yaml:1:14: data.test: nosuch' <<<'data: {test: [nosuch]}'
bad_set 2 '--set baselines.bits=7: baselines.bits asks for 7 bits' baselines.bits=7
bad_set 2 '--set foo: ' foo
bad_set 2 '--set search.foo=1: unknown setting "search.foo"' search.foo=1
bad_set 2 '--set seed=x: ' seed=x
bad_set 2 '--set data=3: ' data=3

# --- Data ---

bad_set 3 '--set data.train=broken: data.train: broken/cut.png' data.train=broken
bad_set 3 'notes/notes.png' data.valid=notes/notes.png
bad_set 3 'small/small.png' data.train=small/small.png
bad_set 3 '--set data.train=empty: data.train: empty' data.train=empty
bad_set 2 '--set data.train_size=20: generated images of 20 pixels' data.train_size=20
refuse 3 'nosuch' "$TAMIS" eval bicubic --data nosuch --scale 2
refuse 3 'empty' "$TAMIS" eval bicubic --data empty --scale 2
refuse 3 'broken/cut.png' "$TAMIS" eval bicubic --data broken --scale 2 --save-images new

# --- Spaces ---

end='  - pixel_shuffle: {scale: scale}'
bad_space 'space.yaml:4:5: unknown operation "conv3"; did you mean "conv"?' <<END
network:
  - conv3: {out: 3*scale^2, kernel: 3}
$end
END
bad_space 'space.yaml:4:39: unknown key "krenel"' <<END
network:
  - conv: {out: 3*scale^2, kernel: 3, krenel: 3}
$end
END
bad_space 'space.yaml:4:5: ' <<END
network:
  - conv: {kernel: 3}
$end
END
bad_space 'space.yaml:6:5: ' <<END
network:
  - conv: {out: w, kernel: 3, name: a}
  - conv: {out: 2*w, kernel: 3, name: b}
  - add: {from: [a, b]}
  - conv: {out: 3*scale^2, kernel: 3}
$end
END
bad_space 'space.yaml:5:5: ' <<END
network:
  - conv: {out: w, kernel: 3}
  - conv: {out: 3*scale^2, kernel: 3, groups: 5}
$end
END
bad_space 'space.yaml:8:9: the block "one" contains itself' <<END
network:
  - one
$end
blocks:
  one: [two]
  two: [one]
END
bad_space 'space.yaml:4:25: a cycle: "later" is a later step' <<END
network:
  - add: {from: [input, later]}
  - conv: {out: 3*scale^2, kernel: 3, name: later}
$end
END
bad_space 'space.yaml:4:37: there is no choice "nothing"' <<END
network:
  - choose: {out: 3*scale^2, among: nothing}
$end
END
bad_space 'space.yaml:4:45: a bit width of 40 is not possible' <<END
network:
  - conv: {out: 3*scale^2, kernel: 3, bits: 40}
$end
END
bad_space 'space.yaml:4:17: the parenthesis' <<END
network:
  - conv: {out: (3*scale^2, kernel: 3}
$end
END
bad_space 'space.yaml:4:17: unknown name "wide"' <<END
network:
  - conv: {out: wide, kernel: 3}
$end
END
bad_space 'space.yaml:4:36: ' <<END
network:
  - conv: {out: 3*scale^2, kernel: 0}
$end
END
bad_space 'space.yaml:1:1: a space needs a section "network"' <<END
blocks: {}
END
bad_space 'space.yaml:' <<END
network:
  - conv: {out: 7, kernel: 3}
END
bad_space 'space.yaml:4:5: ' <<END
network:
  - conv: {out: 3*scale^2, kernel: 3}
    relu:
$end
END
bad_space 'space.yaml:4:21: "times" is -1' <<END
network:
  - repeat: {times: -1, do: relu}
  - conv: {out: 3*scale^2, kernel: 3}
$end
END
bad_space 'space.yaml:3:1: ' <<END
netwrok: []
network:
  - conv: {out: 3*scale^2, kernel: 3}
$end
END
refuse 2 'there is no shipped space "rfdm"' "$TAMIS" check rfdm

# --- Architectures ---

bad_arch 'arch.yaml:3:11: ' 's/^checksum: .*/checksum: "12345678"/'
bad_arch 'arch.yaml:' '/^  upsample:/d'
bad_arch 'arch.yaml:' '$a\  nowhere: conv1 at 4 bits'
bad_arch 'arch.yaml:' 's/^  upsample: .*/  upsample: conv9 at 4 bits/'
bad_arch 'arch.yaml:' 's/^  upsample: .*/  upsample: conv1 at 5 bits/'
bad_arch 'arch.yaml:' 's/^choices:.*/choices: [/'
bad_arch 'arch.yaml:4:8: ' 's/^scale: .*/scale: two/'
sed 's/^space: tiny/space: tinny/' done/arch.yaml >lost.yaml
refuse 2 'lost.yaml:2:8: the space "tinny" is not a shipped one' "$TAMIS" retrain lost.yaml --out out
refuse 2 'there is no run or architecture "nosuch.yaml"' "$TAMIS" retrain nosuch.yaml

# --- Runs and their files ---

refuse 2 'the folder "done" has a run already' "$TAMIS" run good.yaml --out done --quiet
refuse 2 'that Tamis did not make' "$TAMIS" run good.yaml --out foreign --force --quiet
refuse 2 'the run was begun with "seed: 1"' "$TAMIS" run good.yaml --out done --resume --seed 5 --quiet
refuse 2 'done/space.yaml: the run was begun with this space' \
    "$TAMIS" run good.yaml --out done --resume --set space=other.yaml --quiet
refuse 2 'has quantized.safetensors already' "$TAMIS" quantize done
refuse 2 'searches bit widths alone, but the slot "body" of "tiny" has 3 candidates' \
    "$TAMIS" run good.yaml --set search.strategy=edmips --out out --quiet
refuse 2 'searches bit widths alone' "$TAMIS" check good.yaml --set search.strategy=edmips
refuse 2 'mixes one in 5 channels, but "tiny" has no choice' \
    "$TAMIS" run good.yaml --set search.strategy=pc_darts --set search.channel_parts=5 --out out --quiet
refuse 2 '"rfdn_small" cannot be mixed on one in 16 channels' "$TAMIS" run good.yaml \
    --set space=rfdn_small --set search.strategy=pc_darts --set search.channel_parts=16 --out out --quiet \
    --set search.patch=24 --set retrain.patch=24 --set quantize.patch=24
refuse 2 'retrain.from is supernet, but the strategy "pc_darts" has none' "$TAMIS" run good.yaml \
    --set search.strategy=pc_darts --set retrain.from=supernet --out out --quiet
refuse 2 'there is no run "nosuch"' "$TAMIS" report nosuch
refuse 2 'the folder "empty" has no run' "$TAMIS" report empty
refuse 2 'upscales 2 times, but --scale is 3' "$TAMIS" eval done --data "$picture" --scale 3
refuse 2 'is not empty' "$TAMIS" eval done --data "$picture" --save-images pictures
mkdir bare && cp done/arch.yaml done/space.yaml bare
refuse 2 'there is no weights.safetensors' "$TAMIS" quantize bare/arch.yaml --out out
refuse 2 'tamis retrain' "$TAMIS" eval bare/arch.yaml --data "$picture"
head -c 2000 done/weights.safetensors >bare/weights.safetensors
refuse 3 'weights.safetensors' "$TAMIS" eval bare/arch.yaml --data "$picture"
cp -r done torn && echo '{"results": [3' >torn/result.json
refuse 3 'torn/result.json' "$TAMIS" report torn --output page.html

# --- Usage ---

refuse 2 'unknown command "serach"; did you mean "search"?' "$TAMIS" serach good.yaml
refuse 2 'unknown option "--sedd"; did you mean "--seed"?' "$TAMIS" run good.yaml --sedd 3
refuse 2 'unknown option "-x"' "$TAMIS" run good.yaml -x
refuse 2 '"tamis run" needs one SPEC' "$TAMIS" run
refuse 2 '"tamis run" takes one SPEC or SPACE, but "more.yaml" follows it' "$TAMIS" run good.yaml more.yaml
refuse 2 '--seed must be a whole number' "$TAMIS" run good.yaml --seed=abc
refuse 2 '--out needs a value' "$TAMIS" run good.yaml --out
refuse 2 '--force takes no value' "$TAMIS" run good.yaml --force=yes
refuse 2 'give only one' "$TAMIS" run good.yaml --force --resume
refuse 2 'does not take --data' "$TAMIS" run good.yaml --data pictures
refuse 2 '--input must be rows x columns such as 180x320, each between 1 and 65535' "$TAMIS" eval done --data "$picture" --input 32
refuse 2 'needs --scale' "$TAMIS" eval bicubic --data pictures
refuse 2 'needs --data' "$TAMIS" eval done
refuse 2 'did you mean "spaces"?' "$TAMIS" list space
refuse 2 'cannot read "nosuch.yaml"' "$TAMIS" run nosuch.yaml
refuse 2 'it is a folder' "$TAMIS" run done
finish
