# Headers are documented in plain comments: for Doxygen, one that stands before a declaration becomes ///, one behind it
# ///<. Characters that Doxygen reads as commands or tags are escaped first, within the comment.
/^ *\/\/ clang-format /d
/^ *\/\/\( \|$\)/ {
  s/[\\@<>#&]/\\&/g
  s/^\( *\)\/\//\1\/\/\//
  b
}
/^} *\/\//b
/[;,{(] *\/\/ / {
  h
  s/^\(.*[;,{(]\) *\/\/ .*$/\1/
  x
  s/^.*[;,{(] *\/\/ //
  s/[\\@<>#&]/\\&/g
  s/^/  \/\/\/< /
  x
  G
  s/\n//
}
