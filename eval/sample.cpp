#include "eval/sample.h"

#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit {

OrderedJson to_json(const Sample& s) {
  OrderedJson json = {{"task", s.task},         {"id", s.id},
                      {"repeat", s.repeat},     {"method", s.method},
                      {"question", s.question}, {"thoughts", s.thoughts},
                      {"text", s.text},         {"answer", s.answer},
                      {"expected", s.expected}, {"extracted", s.extracted},
                      {"correct", s.correct},   {"steps", s.steps},
                      {"tokens", s.tokens},     {"cut_off", s.cut_off},
                      {"depth", s.depth},       {"ms_prefill", s.ms_prefill},
                      {"ms_think", s.ms_think}, {"ms_answer", s.ms_answer}};
  json["flops"] = s.flops;
  if (s.recurrences > 0) json["recurrences"] = s.recurrences;
  return json;
}

static bool read_flag(const JsonReader& in, std::string_view name) {
  if (!in.has(name)) in.reject(name, "to be true or false");
  return in.boolean(name, false);
}

Sample sample_from_json(const Json& json, const std::string& operation, const std::string& source) {
  const JsonReader in(json, operation, source);
  Sample s;
  s.task = in.string("task");
  s.id = in.string("id");
  s.method = in.string("method");
  s.repeat = in.integer("repeat", 0);
  s.question = in.string("question");
  s.thoughts = in.string("thoughts");
  s.text = in.string("text");
  s.answer = in.string("answer");
  s.expected = in.string("expected");
  s.extracted = read_flag(in, "extracted");
  s.correct = read_flag(in, "correct");
  s.steps = in.integer("steps");
  s.tokens = in.integer("tokens");
  s.cut_off = in.boolean("cut_off", false);
  s.depth = in.integer("depth", 0);
  s.flops = in.integer("flops", 0);
  s.recurrences = in.number("recurrences", 0);
  s.ms_prefill = in.number("ms_prefill", 0);
  s.ms_think = in.number("ms_think", 0);
  s.ms_answer = in.number("ms_answer", 0);
  return s;
}

std::vector<Sample> read_samples(const std::filesystem::path& path, const std::string& operation) {
  std::vector<Sample> samples;
  for_each_line(path, operation, [&](std::string_view text, int64_t number) {
    const std::string source = path.string() + ", line " + std::to_string(number);
    const Json json = parse_json(text, operation, source);
    require(json.is_object(), operation, "expected a sample as a JSON object but got ", json.type_name(), " in ",
            source);
    samples.push_back(sample_from_json(json, operation, source));
  });
  return samples;
}

std::string valid_utf8(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

}  // namespace tacit
