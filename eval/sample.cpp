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
                      {"depth", nullptr},       {"ms_prefill", s.ms_prefill},
                      {"ms_think", s.ms_think}, {"ms_answer", s.ms_answer}};
  if (s.depth) json["depth"] = *s.depth;
  json["flops"] = s.flops;
  json["memory_bytes"] = s.memory_bytes;
  for (const OtherScore& other : s.scores) {
    json["scores"].push_back({{"scorer", other.scorer},
                              {"answer", other.score.answer},
                              {"extracted", other.score.extracted},
                              {"correct", other.score.correct}});
  }
  for (const ChoiceLikelihood& choice : s.choices) {
    json["choices"].push_back({{"log_probability", choice.log_probability}, {"tokens", choice.tokens}});
  }
  if (s.answer_cut_off) json["answer_cut_off"] = true;
  if (s.too_long) json["too_long"] = true;
  if (s.recurrences > 0) json["recurrences"] = s.recurrences;
  return json;
}

static bool read_flag(const JsonReader& in, std::string_view name) {
  if (!in.has(name)) in.reject(name, "to be true or false");
  return in.boolean(name, false);
}

static std::vector<OtherScore> read_scores(const JsonReader& in, const std::string& operation,
                                           const std::string& source) {
  std::vector<OtherScore> out;
  if (!in.has("scores")) return out;
  const Json& list = in.json().at("scores");
  if (!list.is_array()) in.reject("scores", "to be a list");
  for (const Json& item : list) {
    const JsonReader one(item, operation, source, "scores");
    out.push_back(
        {one.string("scorer"), {one.string("answer"), read_flag(one, "extracted"), read_flag(one, "correct")}});
  }
  return out;
}

static std::vector<ChoiceLikelihood> read_choices(const JsonReader& in, const std::string& operation,
                                                  const std::string& source) {
  std::vector<ChoiceLikelihood> out;
  if (!in.has("choices")) return out;
  const Json& list = in.json().at("choices");
  if (!list.is_array()) in.reject("choices", "to be a list");
  for (const Json& item : list) {
    const JsonReader one(item, operation, source, "choices");
    out.push_back({one.number("log_probability"), one.integer("tokens")});
  }
  return out;
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
  s.scores = read_scores(in, operation, source);
  s.choices = read_choices(in, operation, source);
  s.steps = in.integer("steps");
  s.tokens = in.integer("tokens");
  s.cut_off = in.boolean("cut_off", false);
  s.answer_cut_off = in.boolean("answer_cut_off", false);
  s.too_long = in.boolean("too_long", false);
  if (in.has("depth")) s.depth = in.integer("depth");
  s.flops = in.integer("flops", 0);
  s.memory_bytes = in.integer("memory_bytes", 0);
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

std::vector<Sample> finished_samples(const std::filesystem::path& path, const std::string& operation) {
  std::vector<Sample> out;
  const std::string text = read_file(path, operation);
  int64_t number = 0;
  for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
    const std::string source = path.string() + ", line " + std::to_string(++number);
    const Json json = parse_json(std::string_view(text).substr(begin, end - begin), operation, source);
    require(json.is_object(), operation, "expected a sample as a JSON object but got ", json.type_name(), " in ",
            source);
    out.push_back(sample_from_json(json, operation, source));
  }
  return out;
}

std::string valid_utf8(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

}  // namespace tacit
