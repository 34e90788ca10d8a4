// As in render_sources.cpp.
#include "apps/interrupt.cpp"
