# Shared by scripts/build, scripts/test and scripts/demo; sourced, not run. Progress goes to stderr, results to stdout.

torch_version=2.11.0
packages=(g++ cmake ninja-build mold pkg-config python3-venv libsentencepiece-dev nlohmann-json3-dev doctest-dev
  libboost-program-options-dev libpcre2-dev libutf8proc-dev libedit-dev libgloo-dev)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$root/build/log

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Where the step has got to: ninja's latest count, or the last line that is not empty.
last_words() {
  tail -c 4000 "$1" 2>/dev/null | LC_ALL=C tr '\r' '\n' | LC_ALL=C tr -cd '[:print:]\n' |
    awk '/^[0-9]+ of [0-9]+ /{count = $0} NF {line = $0} END {print count ? count : line}'
}

# Shows that the step is alive: on a terminal one line that counts the seconds and ends in the log's last words, elsewhere
# a line when the step starts and one each half minute. A step shorter than a second shows nothing. Ends with its input.
tick() {
  local title=$1 log=$2 start=$SECONDS next_line=0 elapsed width
  while read -r -t 1 || [ $? -gt 128 ]; do  # above 128: the second is over
    elapsed=$((SECONDS - start))
    if [ -t 2 ]; then
      width=$(($(tput cols 2>/dev/null || echo 80) - ${#title} - 12))
      printf '\r\033[K%s %s s  %.*s' "$title" $elapsed $((width > 0 ? width : 0)) "$(last_words "$log")" >&2
    elif [ $next_line -eq 0 ]; then
      say "$title ..."
      next_line=30
    elif [ $elapsed -ge $next_line ]; then
      printf '%s %s s  %.100s\n' "$title" $elapsed "$(last_words "$log")" >&2
      next_line=$((elapsed + 30))
    fi
  done
}

# step "[1/4] What" name command...: runs the command with its output in build/log/name.log; when it fails, shows the end
# of that log and exits.
step() {
  local title=$1 log=$logs/$2.log start=$SECONDS code=0 ticker
  shift 2
  mkdir -p "$logs"
  : >"$log"
  exec 9> >(tick "$title" "$log")
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null 9>&- || code=$?
  exec 9>&-
  wait "$ticker" || true
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
  if [ $code -ne 0 ]; then
    say "$title: failed after $((SECONDS - start)) s"
    # A compiler's first complaint says more than the last; without one, the end of the log.
    { grep -m 1 -A 30 '^FAILED: \|CMake Error' "$log" || tail -n 30 "$log"; } | cut -c 1-400 >&2
    say "the whole log: $log"
    exit 1
  fi
  if [ $((SECONDS - start)) -ge 1 ]; then say "$title: $((SECONDS - start)) s"; fi
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# The packages that dpkg does not know as installed. A command found on PATH will do, however it came there.
missing_packages() {
  local package command
  for package in "${packages[@]}"; do
    case $package in
      ninja-build) command=ninja ;;
      *) command=$package ;;
    esac
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ] &&
      ! { [[ $package != lib* && $package != *-dev ]] && command -v "$command" >/dev/null; }; then
      echo "$package"
    fi
  done
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

ensure_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    say "$1 Not a Debian system: taking for granted what these packages hold: ${packages[*]}"
    return
  fi
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing and there is no sudo to install them: ${missing[*]}"
    sudo -v || die "these packages are missing: ${missing[*]}"  # asks for the password before the output goes to a log
  fi
  say "$1 Debian packages to install: ${missing[*]}"
  step "$1 Debian packages" apt apt_install "${missing[@]}"
}

# The wheel's torch folder in a venv, or nothing where it is not whole.
torch_in() {
  local folder
  for folder in "$1"/lib/python3*/site-packages/torch; do
    if [ -e "$folder/lib/libtorch_cpu.so" ] && grep -q "'$torch_version" "$folder/version.py" 2>/dev/null; then
      echo "$folder"
    fi
  done
}

torch_imports() { "$1/bin/python" -c "import torch; assert torch.__version__.split('+')[0] == '$torch_version'"; }

# Under a temporary name until it is whole: an interrupted download is never mistaken for a LibTorch.
install_torch() {
  local venv=$1 python=/usr/bin/python3 partial=$1.partial
  [ -x "$python" ] || python=python3
  rm -rf "$partial"
  "$python" -c 'import sys; assert sys.version_info >= (3, 10), f"Python >= 3.10 is needed, this is {sys.version}"' || return
  "$python" -m venv "$partial" || return
  "$partial/bin/python" -m pip install --no-cache-dir --no-compile --progress-bar off "torch==$torch_version" || return
  torch_imports "$partial" || return
  touch "$partial/.complete" || return
  rm -rf "$venv" && mv -T "$partial" "$venv"
}

# Sets TORCH_DIR, the folder that holds LibTorch's include/ and lib/.
ensure_torch() {
  if [ -n "${TORCH_DIR:-}" ]; then
    TORCH_DIR=$(realpath -m "$TORCH_DIR")  # relative means to the folder of the caller, not to that of the build
    [ -d "$TORCH_DIR/include/torch" ] || die "expected TORCH_DIR to hold include/torch but '$TORCH_DIR' does not"
    return
  fi
  [ -n "${TACIT_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-}" ] ||
    die "HOME is not set: set TACIT_CACHE to the folder that keeps LibTorch (5 GB)"
  local cache=${TACIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit}
  cache=$(realpath -m "$cache")
  local venv=$cache/torch-$torch_version
  mkdir -p "$cache"
  exec {lock}>"$cache/.lock"
  flock -n "$lock" || { say "$1 Waiting for another build that installs LibTorch"; flock "$lock"; }
  if [ ! -e "$venv/.complete" ] && [ -n "$(torch_in "$venv")" ] && torch_imports "$venv" 2>/dev/null; then
    touch "$venv/.complete"
  fi
  if [ ! -e "$venv/.complete" ] || [ -z "$(torch_in "$venv")" ]; then
    local free
    free=$(df --output=avail -B1G "$cache" | tail -n 1)
    [ "$free" -ge 6 ] || die "LibTorch takes 5 GB in $cache, where $free GB are free; set TACIT_CACHE to a folder with room"
    step "$1 LibTorch $torch_version wheel (about 2 GB, once)" torch install_torch "$venv"
  fi
  exec {lock}>&-
  TORCH_DIR=$(torch_in "$venv")
}

# A compiler takes up to 2 GB on LibTorch's headers.
compile_jobs() {
  local by_memory by_cores
  by_memory=$(awk '/MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)
  by_cores=$(nproc)
  if [ "$by_memory" -lt 1 ]; then by_memory=1; fi
  echo $((by_memory < by_cores ? by_memory : by_cores))
}

# ninja reconfigures by itself when a CMake file changes, but knows neither presets nor TORCH_DIR.
configured() {
  local folder=$1
  [ -e "$folder/build.ninja" ] && [ "$folder/build.ninja" -nt "$root/CMakePresets.json" ] &&
    grep -qxF -e "TORCH_DIR:PATH=$TORCH_DIR" -e "TORCH_DIR:UNINITIALIZED=$TORCH_DIR" "$folder/CMakeCache.txt"
}

# Brings build/<preset> up to date, installing what it needs. Says nothing when there was nothing to do.
build() {
  local preset=$1 folder=$root/build/$1 warnings
  ensure_packages "[1/4]"
  ensure_torch "[2/4]"
  if ! configured "$folder"; then
    step "[3/4] Configuring $preset" "configure-$preset" cmake -S "$root" --preset "$preset" "-DTORCH_DIR=$TORCH_DIR"
  fi
  NINJA_STATUS='%f of %t  ' step "[4/4] Compiling $preset" "compile-$preset" cmake --build "$folder" -j "$(compile_jobs)"
  warnings=$(grep -c 'warning: ' "$logs/compile-$preset.log" || true)
  if [ "$warnings" -gt 0 ]; then say "$warnings compiler warnings in $logs/compile-$preset.log"; fi
}
