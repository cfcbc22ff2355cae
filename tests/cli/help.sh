#!/usr/bin/env bash
# Help texts and the version; every command has its own help, with an example.
set -eu
. "$(dirname "$0")/../support/command_line.sh"

succeed "$TAMIS" --version
has "$scratch/out/stdout" "tamis "

for words in "--help" "help" "help help" "-h"; do
    succeed "$TAMIS" $words
    has "$scratch/out/stdout" "Usage: tamis COMMAND"
done
for command in run search retrain quantize eval export check list report bench; do
    has "$scratch/out/stdout" "  $command "
    succeed "$TAMIS" help $command
    cp "$scratch/out/stdout" "$scratch/out/help"
    has "$scratch/out/help" "Usage: tamis $command "
    has "$scratch/out/help" "Example: tamis $command "
    for option in out set seed threads resume force quiet json help; do
        # An option is shown where it does something and taken everywhere.
        case "$command $option" in
        "list out" | "list se"* | "list resume" | "list force" | "report se"* | "report resume" | \
            "eval se"* | "eval resume" | "check out" | "check resume" | "check force" | \
            "export se"* | "export resume" | "bench out" | "bench resume" | "bench force") ;;
        *) has "$scratch/out/help" "  --$option" ;;
        esac
    done
    succeed "$TAMIS" $command --help
    same "$scratch/out/stdout" "$scratch/out/help"
    succeed "$TAMIS" --help $command
    same "$scratch/out/stdout" "$scratch/out/help"
    [ "$(wc -L <"$scratch/out/help")" -le 80 ] || fail "lines over 80 columns in help of $command"
    succeed "$TAMIS" help
done

# Without a command: the same text, but as an error.
code=0
"$TAMIS" >"$scratch/out/stdout" 2>"$scratch/out/stderr" || code=$?
[ $code = 2 ] || fail "exit code $code without a command"
has "$scratch/out/stderr" "Usage: tamis COMMAND"

# Threads do not wait by spinning for long, unless the user says so. Only GNU's library tells.
spins() {
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT OMP_DISPLAY_ENV=VERBOSE "$@" "$TAMIS" --version 2>&1 |
        sed -n "s/.*GOMP_SPINCOUNT = '\([0-9]*\)'.*/\1/p" | tail -n 1
}
if [ -n "$(spins)" ]; then
    [ "$(spins)" = 1000 ] || fail "threads spin $(spins) times"
    [ "$(spins GOMP_SPINCOUNT=77)" = 77 ] || fail "GOMP_SPINCOUNT is overruled"
    [ "$(spins OMP_WAIT_POLICY=active)" != 1000 ] || fail "OMP_WAIT_POLICY is overruled"
fi

# A full disk is noticed.
if [ -c /dev/full ]; then
    code=0
    "$TAMIS" list schedules >/dev/full 2>"$scratch/out/stderr" || code=$?
    [ $code = 1 ] || fail "exit code $code when standard output is full"
    has "$scratch/out/stderr" "standard output could not be written"
fi
finish
