# The map's links lead to pages that are no part of the reference: only their text stays.
s/\[\([^]]*\)\]([^)]*)/\1/g
