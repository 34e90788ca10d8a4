// As in render_sources.cpp.
#include "apps/reply.cpp"
