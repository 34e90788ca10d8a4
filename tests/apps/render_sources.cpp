// These functions live in the executable, which a test cannot link against.
#include "apps/character_width.cpp"
#include "apps/graph_question.cpp"
#include "apps/line_reader.cpp"
#include "apps/render.cpp"
#include "apps/render_graph.cpp"
#include "apps/render_table.cpp"
#include "apps/render_thoughts.cpp"
