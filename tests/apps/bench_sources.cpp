// As in render_sources.cpp.
#include "apps/bench_table.cpp"
