// As in render_sources.cpp.
#include "apps/reply.cpp"
#include "apps/reply_picture.cpp"
#include "apps/thought_readout.cpp"
