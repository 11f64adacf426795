#!/usr/bin/env bash
# The first GPU: everything that no machine without one can decide, in five calls of under ten
# minutes each. Figures go to a folder, with a table in table.md that says what each one decides.
#
#   scripts/benchmarking/first_gpu.sh                      all calls
#   scripts/benchmarking/first_gpu.sh 1 2                  some of them
#   scripts/benchmarking/first_gpu.sh --peer ../pytorch-CycleGAN-and-pix2pix 5
#   scripts/benchmarking/first_gpu.sh --pretend            tiny, on any machine: tries the script
#
# --output DIR is the folder (default: first_gpu). What is finished there is not measured again; a
# call that ran out of time goes on where it stopped. --target NAME is what compile.py compares with
# (default: h100).
set -u -o pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
output=first_gpu target=h100 peer="" pretend="" calls=()
while [ $# -gt 0 ]; do
    case $1 in
        --output | --target | --peer)
            [ $# -gt 1 ] || { echo "error: $1: a value is missing" >&2; exit 2; }
            declare "${1#--}=$2"
            shift
            ;;
        --pretend) pretend=1 ;;
        [1-5]) calls+=("$1") ;;
        *) echo "error: $1: choose from 1 to 5, --output, --target, --peer, --pretend" >&2; exit 2 ;;
    esac
    shift
done
[ ${#calls[@]} -gt 0 ] || calls=(1 2 3 4 5)
mkdir -p "$output" || exit 2
output=$(cd "$output" && pwd)
export PYTHONPATH="$here:$here/..${PYTHONPATH:+:$PYTHONPATH}"

limit=590 patience=1 # seconds of a call; factor of all limits
size=(--pairs 400 --repetitions 5)
all=1,16,32 ends=1,32 rows=0,1024
train=(--config maps --config.data.source=synthetic --config.data.synthetic_pairs=1096,1098,2)
if [ -n "$pretend" ]; then
    size=(--image_size 32 --base_features 4 --pairs 4 --steps 2 --repetitions 1)
    size+=(--config.train.steps_per_call=2)
    all=1 ends=1 rows=0 limit=100000 patience=10 # a busy machine may take its time
    train=(--config demo --config.data.image_size=32 --config.data.synthetic_pairs=4,2,2)
    train+=(--config.model.base_features=4 --config.model.levels=2 --config.train.steps_per_call=1)
fi
started=$SECONDS

# once NAME SECONDS COMMAND...: run a command that is not finished yet, if there is time for it.
once() {
    local name=$1 seconds=$(($2 * patience)) status
    shift 2
    if [ -e "$output/$name.done" ]; then
        echo "$name: finished before"
    elif [ $((SECONDS - started + seconds)) -gt "$limit" ]; then
        echo "$name: no time left in this call; start it again"
    else
        echo "$name: at most $seconds s"
        timeout -k 10 "$seconds" "$@" >"$output/$name.txt" 2>&1
        status=$?
        if [ "$status" -eq 0 ]; then
            touch "$output/$name.done"
        else
            echo "$name: ended with status $status after $((SECONDS - started)) s of the call: " \
                "$(tail -n 1 "$output/$name.txt")"
        fi
    fi
}

# bench NAME SECONDS FLAGS...: run benchmark.py.
bench() {
    local name=$1 seconds=$2
    shift 2
    once "$name" "$seconds" "$python" "$here/benchmark.py" --output "$output/$name.json" \
        "${size[@]}" "$@"
}

kept=(--compilation_cache "$output/cache") # another start need not compile again

call_1() { # float32 at batch 1: the form of the loop, the library's convolutions against products
    local shared=(--dtype float32 "${kept[@]}")
    bench 1_loops 240 "${shared[@]}" --data resident --loop fixed,runtime --kernels
    bench 1_no_loop 110 "${shared[@]}" --data cached --loop none
    bench 1_products 240 "${shared[@]}" --data resident --loop fixed --product_rows "$rows" --kernels
}

call_2() { # bfloat16 at batches 1, 16 and 32: the goals, and products again
    local shared=(--dtype bfloat16 --data resident --loop fixed "${kept[@]}")
    bench 2_batches 290 "${shared[@]}" --batch_sizes "$all" --kernels
    bench 2_products 300 "${shared[@]}" --batch_sizes "$ends" --product_rows "$rows"
}

call_3() { # a short run as a user starts it, and what the compiler alone foretold
    once 3_train 380 "$python" "$here/train.py" "${train[@]}" --workdir "$output/3_run" --profile \
        --config.train.epochs=3 --config.lr.decay_epochs=1 --config.log.report=False
    [ -n "$pretend" ] || for dtype in float32 bfloat16; do
        once "3_foretold_$dtype" 100 "$python" "$here/compile.py" --config maps --target "$target" \
            --config.model.dtype="$dtype" --json "$output/3_foretold_$dtype.json"
    done
}

call_4() { # equal bits in two processes and their price; XLA's flags, one at a time
    # Nothing is kept: a kept program would be the same one again.
    local shared=(--dtype float32 --data resident --loop fixed --digest) name
    local buffer=--xla_gpu_enable_command_buffer
    for name in first second; do
        bench "4_plain_$name" 90 "${shared[@]}"
        bench "4_deterministic_$name" 90 "${shared[@]}" --config.train.deterministic=True
    done
    with_flags 4_no_command_buffers "$buffer=" "${shared[@]}"
    with_flags 4_more_command_buffers "$buffer=+WHILE,+CONVOLUTION" "${shared[@]}"
    with_flags 4_small_graphs "--xla_gpu_graph_min_graph_size=1" "${shared[@]}"
}

# with_flags NAME XLA_FLAGS FLAGS...: run benchmark.py with a setting of XLA's.
with_flags() {
    local name=$1 before=${XLA_FLAGS:-}
    export XLA_FLAGS="$before $2"
    shift 2
    bench "$name" 75 "$@"
    export XLA_FLAGS="$before"
}

call_5() { # the reference in turns with this package, as it comes and with its fastest options
    if [ -z "$peer" ]; then
        echo "5: left out; --peer DIR is a clone of the PyTorch reference"
    else
        bench 5_peer 580 --batch_sizes "$ends" --dtype bfloat16 --peer "$peer" --peer_options \
            "${kept[@]}"
    fi
}

for call in "${calls[@]}"; do
    echo "== call $call"
    started=$SECONDS
    "call_$call"
done
"$python" -m benchmarking.first_gpu "$output"
