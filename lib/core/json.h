#pragma once

#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // keeps insertion order: use for files and output that people read

// Parses text from a stranger. Fails with `operation`, `source` and the byte on malformed JSON, on invalid UTF-8 and on
// nesting deeper than `max_depth` (deep nesting costs stack).
Json parse_json(std::string_view text, std::string_view operation, std::string_view source, int max_depth = 64);

// parse_json that also fails on a name that occurs twice in one object (parse_json keeps the last); of a list the error
// says in which item, from 0.
Json parse_json_unique(std::string_view text, std::string_view operation, std::string_view source, int max_depth = 64);

// Reads and parses a whole file; the error names the file.
Json read_json(const std::filesystem::path& path, std::string_view operation);

// Typed reading of an object's fields. Every error names the operation, the source file and the field's path, e.g.
// `[read_config] expected 'rope_scaling.factor' to be a number but got "8" in models/x/config.json`.
// Holds a reference to `json`, which must outlive the reader.
class JsonReader {
 public:
  JsonReader(const Json& json, std::string operation, std::string source, std::string prefix = "");

  bool has(std::string_view name) const;  // present and not null
  const Json& json() const { return *json_; }
  std::string path(std::string_view name) const;  // "rope_scaling.factor"

  int64_t integer(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t fallback) const;
  int64_t integer_in(std::string_view name, int64_t low, int64_t high) const;  // required, low <= value <= high
  double number(std::string_view name) const;
  double number(std::string_view name, double fallback) const;
  bool boolean(std::string_view name, bool fallback) const;
  std::string string(std::string_view name) const;
  std::string string(std::string_view name, std::string_view fallback) const;
  std::vector<int64_t> integers(std::string_view name) const;
  std::vector<std::string> strings(std::string_view name) const;
  JsonReader object(std::string_view name) const;

  // Fails on the first field that is not in `known`, suggesting the nearest one.
  void only(std::initializer_list<std::string_view> known) const;
  void only(const std::vector<std::string>& known) const;

  // Fails with "expected 'field' <expectation> but got <value> in <source>".
  [[noreturn]] void reject(std::string_view name, std::string_view expectation) const;

 private:
  const Json& at(std::string_view name) const;

  const Json* json_;
  std::string operation_, source_, prefix_;
};

}  // namespace tacit
