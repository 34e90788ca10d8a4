// As in render_sources.cpp.
#include "apps/probe_picture.cpp"
