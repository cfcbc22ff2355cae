#!/usr/bin/env bash
# `tamis eval bicubic` on Set5 and Set14 against the reference values, every picture and the means.
set -eu
. "$(dirname "$0")/../support/command_line.sh"

reference=$shared/data/bicubic.tsv
if [ ! -r "$reference" ]; then
    echo "skipped: there is no $reference; set TAMIS_SHARED to the folder of shared data"
    exit 0
fi
for set in Set5 Set14; do
    for scale in 2 3 4; do
        succeed "$TAMIS" eval bicubic --data "$shared/data/sets/$set" --scale $scale --json
        # The JSON has one key a line; the first scores are the means.
        awk -v set=$set -v scale=$scale '
            BEGIN { name = "MEAN" }
            { gsub(/[",]/, "") }
            $1 == "images:" { in_images = 1 }
            $1 == "name:" && in_images { name = $2 }
            $1 == "psnr_y:" { psnr[name] = $2 }
            $1 == "ssim_y:" { printf "%s\t%s\t%s\t%.6f\t%.6f\n", set, name, scale, psnr[name], $2 }
        ' "$scratch/out/stdout" >>"$scratch/out/measured"
    done
done
checks=$((checks + 1))
awk -F'\t' '
    function distance(a, b) { return a > b ? a - b : b - a }
    NR == FNR { psnr[$1, $2, $3] = $4; ssim[$1, $2, $3] = $5; next }
    FNR == 1 { next }
    {
        rows++
        key = $1 SUBSEP $2 SUBSEP $3
        if (!(key in psnr)) { print "not measured:", $1, $2, $3; bad = 1; next }
        if (distance(psnr[key], $4) > 0.005 || distance(ssim[key], $5) > 0.0002) {
            print $1, $2, "x" $3 ": measured", psnr[key], ssim[key], "expected", $4, $5
            bad = 1
        }
    }
    END { if (rows < 63) { print "only", rows, "rows compared"; bad = 1 }; exit bad }
' "$scratch/out/measured" "$reference" >&2 || fail "scores differ from $reference"

# One picture for each image; its pixels are held by the unit tests of resampling.
succeed "$TAMIS" eval bicubic --data "$shared/data/sets/Set5" --scale 3 --save-images pictures
[ "$(find pictures -name '*.png' | wc -l)" = 5 ] || fail "not five pictures"
finish
