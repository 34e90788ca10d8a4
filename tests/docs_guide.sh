#!/usr/bin/env bash
# docs_guide.sh PAGE TACIT MODELS FOLDER: runs every command of a page, in order, in an empty FOLDER with TACIT on PATH
# and MODELS as models/. A command is a line indented by four columns; lines that belong together end with a backslash or
# stand in a here-document. A block behind `<!-- not run: WHY -->` is counted and left out. The first command that fails
# is named with its line.
set -euo pipefail
page=$1 tacit=$2 models=$3 folder=$4

rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/work"
ln -s "$tacit" "$folder/bin/tacit"
ln -s "$models" "$folder/work/models"

# The script has the page's lines, so that a line's number in it is that in the page; its first stands for the title.
script=$folder/script.sh
awk '
  NR == 1 { print "set -Eeuo pipefail; trap '\''echo \"LINE $LINENO: $BASH_COMMAND\" >&2'\'' ERR"; next }
  /^<!-- not run: / { skip = 1; print ""; next }
  /^    / { if (!skip) print substr($0, 5); else print ""; inside = 1; next }
  /^ *$/ { print ""; next }
  { if (inside) skip = 0; inside = 0; print "" }
' "$page" >"$script"

count() { awk -v want="$1" '
  /^<!-- not run: / { skip = 1 }
  /^    / { if (!inside) { if (skip) left++; else ran++ } inside = 1; next }
  /^ *$/ { next }
  { if (inside) skip = 0; inside = 0 }
  END { print want == "ran" ? ran + 0 : left + 0 }' "$page"; }

code=0
(cd "$folder/work" && PATH="$folder/bin:$PATH" bash "$script" >"$folder/out" 2>"$folder/err" </dev/null) || code=$?
if [ $code -ne 0 ]; then
  line=$(sed -n 's/^LINE \([0-9]*\): .*/\1/p' "$folder/err" | head -n 1)
  echo "$page:${line:-?}: failed with status $code: $(sed -n "${line:-1}p" "$page")"
  tail -n 20 "$folder/err"
  exit 1
fi
echo "$page: $(count ran) blocks of commands run, $(count left) not run"
