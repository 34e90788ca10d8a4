#pragma once

#include <initializer_list>
#include <string>

#include "lib/core/json.h"

namespace tacit {

// Fields of a recipe within bounds, refused by name outside them.
double number_from(const JsonReader& in, const char* field, double fallback, double low);
int64_t integer_from(const JsonReader& in, const char* field, int64_t fallback, int64_t low);
double share_from(const JsonReader& in, const char* field, double fallback, bool one = true);  // 0..1; `one`: 1 too

// A field that would do nothing is refused: a recipe must not say what is not done.
void only_for(bool allowed, const JsonReader& in, std::initializer_list<const char*> fields, const std::string& whose);

}  // namespace tacit
