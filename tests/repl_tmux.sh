#!/usr/bin/env bash
# repl_tmux.sh TACIT MODELS: types into `tacit repl` in a tmux of its own, at several widths, and reads the screen.
set -euo pipefail
tacit=$1 models=$2

command -v tmux >/dev/null || { echo "TACIT-SKIP: no tmux"; exit 0; }
scratch=$(mktemp -d)
export TMUX_TMPDIR=$scratch LC_ALL=C.UTF-8
mux() { tmux -L tacit -f /dev/null "$@"; }
trap 'mux kill-server 2>/dev/null || true; rm -rf "$scratch"' EXIT

screen() { mux capture-pane -p -J -S -2000 -t repl; }
fail() { echo "repl_tmux: $*"; echo "--- screen"; screen; exit 1; }
# Waits until the last line is a prompt that is not the one before, at most two minutes.
# A file is searched, never a pipe: grep -q leaves at the first match, and who still writes into the pipe would fail it.
look() { screen >"$scratch/screen"; }
prompts() { look; grep -c '^tacit> ' "$scratch/screen" || true; }
at_prompt() { look; grep -v '^$' "$scratch/screen" >"$scratch/lines"; tail -n 1 "$scratch/lines" >"$scratch/last"; grep -q '^tacit>  *$\|^tacit>$' "$scratch/last"; }
ready() {
  for _ in $(seq 600); do
    if [ "$(prompts)" -gt "$1" ] && at_prompt; then return; fi
    sleep 0.2
  done
  fail "expected a prompt after '$2'"
}
type_line() {
  local before
  before=$(prompts)
  mux send-keys -t repl -l "$1"
  mux send-keys -t repl Enter
  ready "$before" "$1"
}
shows() { look; grep -qF -- "$1" "$scratch/screen" || fail "expected '$1' at $width columns"; }

# The server ends with its last session: one that stays, so that none begins while it ends.
mux new-session -d -s stays "sleep infinity"
for width in 50 80 120; do
  mux new-session -d -s repl -x $width -y 30 \
    "env XDG_STATE_HOME='$scratch/state' TERM=screen-256color '$tacit' repl --models '$models'"
  mux set-option -t repl history-limit 5000 >/dev/null
  ready 0 "the start"
  for line in "/new 7" /trace "/lens 4" "/branch 2" "/edit 1 3" "/swap 9" /compare "/bench 1" /set /help "/help edit"; do
    type_line "$line"
  done
  look
  widest=$(wc -L <"$scratch/screen")
  [ "$widest" -le $width ] || fail "expected lines of at most $width columns but one has $widest"
  for text in "Which can be reached from" "thoughts · frontier · 6 thoughts" "cosine" "second likeliest" "of reach-9/0" \
    "cot-frontier" "medians of 1 round" "/branch [SIDE] STEP"; do
    shows "$text"
  done
  # The line that showed thoughts as they were made is gone, and colours are there.
  ! grep -q 'words, word [0-9]' "$scratch/screen" || fail "expected nothing to be left of what is made"
  mux capture-pane -p -e -S -2000 -t repl >"$scratch/colours"
  grep -q $'\e\\[3[0-9;]*m' "$scratch/colours" || fail "expected colours"
  # A question pasted over several lines is one.
  before=$(prompts)
  mux set-buffer $'5 12 | 5 7 |\n12 3 | 7 9 |\n9 22 | 1 31 | [Q] 22 31 [R] 5'
  mux paste-buffer -p -t repl
  mux send-keys -t repl Enter
  ready "$before" "a pasted question"
  shows "(8 nodes, 6 edges)"
  mux kill-session -t repl
done
echo "repl_tmux: 3 widths"
