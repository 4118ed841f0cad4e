#!/bin/sh
# The whole way of every task by the same commands, on a device process of its own, without a network: teach, train, export, gate,
# bundle, push, ask, show. What comes back lies in FOLDER/answers, to be looked at; what failed is told last, with exit code 1.
#   sh scripts/whole_way.sh FOLDER [TASK ...]
# ROWS of each (300), trained as long as is usual for so many (a wake word for a minute), or SECONDS_EACH: enough to see that each answers what was asked.
set -u
[ $# -ge 1 ] || { sed -n 2,5p "$0" >&2; exit 2; }
mkdir -p "$1" && cd "$1" || exit 2
shift
[ $# -ge 1 ] || set -- router robot avatar math chat code image_gen video_gen audio_gen 3d_gen game vision wake_word voice
rows=${ROWS:-300} address=127.0.0.1:${PORT:-18765} failed=
export ENIGMA_HOME="$PWD/home"
mkdir -p answers pages

enigma-edge run --state device --listen "$address" > device.log 2>&1 &
device=$!
trap 'kill "$device" 2> /dev/null; wait "$device" 2> /dev/null' EXIT
until enigma-edge status --state device > status.log 2>&1; do
    kill -0 "$device" 2> /dev/null || { cat device.log >&2; exit 1; }
    sleep 1
done
code=$(enigma-edge pair --state device | grep -oE '[0-9]{6}' | head -1)
enigma devices pair "http://$address" "$code" || enigma devices list || exit 1

# The first picture, or the first text, of a dataset's held-out rows.
held_out() {
    python3 -c '
import json, sys
with open(sys.argv[1] + "/heldout.jsonl") as rows:
    print(json.loads(next(rows))["input"][sys.argv[2]])' "$ENIGMA_HOME/data/$data" "$1"
}

# Ask this task's specialist what a person would.
question() {
    case $task in
    router) enigma ask "$name" "what is 17 plus 25" ;;
    robot) enigma ask "$name" "turn off the kitchen light" ;;
    avatar) enigma ask "$name" "look at me and wave" ;;
    math) enigma ask "$name" "What is 12 plus 30?" --steps ;;
    chat) enigma ask "$name" "hello, how are you?" ;;
    code) enigma ask "$name" "Return the sum of a and b.
def add(a, b):" ;;
    image_gen) enigma ask "$name" "Two red circles left of a blue star." --out answers/picture.png ;;
    video_gen) enigma ask "$name" "a short clip of a red circle, swaying once" --out answers/film.png ;;
    audio_gen) enigma ask "$name" "four notes on F4" --out answers/sound.wav ;;
    3d_gen) enigma ask "$name" "a red cube" --out answers/body.glb ;;
    game) enigma ask "$name" "$(held_out text)" ;;
    vision)
        cp "$ENIGMA_HOME/data/$data/files/$(held_out image)" answers/seen.png
        enigma ask "$name" --file answers/seen.png ;;
    voice) enigma ask "$name" "The garden is green in spring." --out answers/voice.wav ;;
    wake_word) enigma-edge status --state device ;;  # it listens, and isn't asked
    esac
}

# One step; its last lines are shown, all of it is kept.
step() {
    echo "--- $*" >> "$task.log"
    if "$@" > step.log 2>&1; then
        cat step.log >> "$task.log"
    else
        cat step.log >> "$task.log"
        tail -3 step.log
        failed="$failed $task:${2:-$1}"
        return 1
    fi
}

for task; do
    name=w-$(echo "$task" | tr _ -)
    echo "=== $task, $(date +%T)"
    : > "$task.log"
    time=${SECONDS_EACH-}
    case $task in
    voice) data=$name; step enigma voice data "$name" --sentences "$rows" --common 0 --seed 5 ;;
    wake_word) data=$name; time=${time:-60}; step enigma wakeword data "hey robot" --name "$name" --amount 0.1 --hours 0.05 --seed 5 ;;
    robot) data=$name; step enigma teach --task robot --examples "$((rows < 1000 ? 1000 : rows))" --name "$name" --seed 5 ;;
    *) data=$name-$(echo "$task" | tr _ -); step enigma teach --task "$task" --examples "$rows" --name "$name" --seed 5 ;;
    esac || continue
    step enigma train --data "$data" --name "$name" ${time:+--seconds "$time"} --seed 5 || continue
    step enigma export "$name" || continue
    step enigma gate "$name" || continue
    grep -E 'passed|refused' step.log | head -1
    step enigma bundle "$name" && step enigma push "$name" && step question && cat step.log
    step enigma show "$name" --out "pages/$task.html"
done
[ -z "$failed" ] || { echo "Failed:$failed" >&2; exit 1; }
echo "Every task went the whole way; look at what is in $PWD/answers."
