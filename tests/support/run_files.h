#pragma once

#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "lib/core/files.h"
#include "lib/core/json.h"

namespace tacit::test {

// A run's file without what timing wrote: fields ms_*, and problems_per_s.
inline std::string without_timings(const std::filesystem::path& file) {
  const auto strip = [](OrderedJson json) {
    for (auto it = json.begin(); it != json.end();) {
      it = it.key().starts_with("ms_") || it.key() == "problems_per_s" ? json.erase(it) : std::next(it);
    }
    return json.dump() + "\n";
  };
  if (file.extension() == ".json") return strip(OrderedJson::parse(read_file(file, "test")));
  std::string out;
  for_each_line(file, "test", [&](std::string_view line, int64_t) { out += strip(OrderedJson::parse(line)); });
  return out;
}

// run.json, samples.jsonl and metrics.json, timings aside.
inline std::vector<std::string> folder_content(const std::filesystem::path& folder) {
  std::vector<std::string> out;
  for (const char* name : {"run.json", "samples.jsonl", "metrics.json"}) out.push_back(without_timings(folder / name));
  return out;
}

}  // namespace tacit::test
