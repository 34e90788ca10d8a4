#pragma once

#include <string>
#include <vector>

#include "datasets/example.h"
#include "lib/core/json.h"

namespace tacit::test {

// A generated task with options of its own; null = its defaults.
struct Variant {
  std::string task;
  Json options;
};

template <class Value>
Value option(const Variant& variant, const char* name, Value fallback) {
  return variant.options.is_null() ? fallback : variant.options.value(name, fallback);
}

std::vector<std::string> split(const std::string& text);  // at white space

// The answer by a solver that is written from the task's description alone. Not for `reach`
// (tests/datasets/reach_test.cpp).
std::string solve(const Variant& variant, const Example& example);

}  // namespace tacit::test
