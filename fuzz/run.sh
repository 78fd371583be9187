#!/usr/bin/env bash
# Runs every target for SECONDS, or only those that are named. Exits with 1 on a finding, which is then in artifacts/.
#
# libFuzzer is linked in and the flags below are of the stable compiler: nothing is to be installed. No address
# sanitizer: there is no unsafe code of our own for it to look at.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds="${1:?usage: fuzz/run.sh SECONDS [TARGET...]}"
shift
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    for path in fuzz_targets/*.rs; do
        targets+=("$(basename "$path" .rs)")
    done
fi

# With --target the flags are not those of build scripts and macros, which have no counters to report to.
host="$(rustc -vV | sed -n 's/^host: //p')"
export CARGO_TARGET_DIR="$PWD/target"
unset CARGO_ENCODED_RUSTFLAGS
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --quiet --release --target "$host" "${targets[@]/#/--bin=}"

failed=()
for target in "${targets[@]}"; do
    # What a run finds stays under target/, so that the next one goes on from there; corpus/ holds only the seeds.
    found="target/corpus/$target"
    mkdir -p "$found" "artifacts/$target"
    dictionary=()
    case "$target" in event | entry | head_proof | receipt) dictionary=(-dict=wire.dict) ;; esac
    if ! "target/$host/release/$target" "$found" "corpus/$target" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=16384 -artifact_prefix="artifacts/$target/" -verbosity=0 -print_final_stats=1 "${dictionary[@]}" \
        >"target/$target.log" 2>&1; then
        failed+=("$target")
        tail -n 40 "target/$target.log"
    fi
    runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "target/$target.log")"
    printf '%-16s %12s runs in %s s\n' "$target" "${runs:-?}" "$seconds"
done
rmdir artifacts/* artifacts 2>/dev/null || true

if [[ ${#failed[@]} -gt 0 ]]; then
    echo "findings in: ${failed[*]}; again with target/$host/release/TARGET artifacts/TARGET/FILE" >&2
    exit 1
fi
