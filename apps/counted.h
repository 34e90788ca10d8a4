#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace tacit {

// "1 layer", "2 layers"
inline std::string counted(int64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

// "124.44 MB", "7 B"
inline std::string scaled(double value, const char* unit) {
  const char* prefixes[] = {"", "k", "M", "G", "T", "P"};
  int step = 0;
  for (; value >= 1000 && step < 5; ++step) value /= 1000;
  char text[48];
  std::snprintf(text, sizeof text, "%.*f %s%s", step == 0 ? 0 : 2, value, prefixes[step], unit);
  return text;
}

}  // namespace tacit
