#include "eval/task_spec.h"

#include <algorithm>
#include <cctype>

#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr const char* kReadTask = "read_task";

// A value of a task file with the path of its field, for errors.
struct Value {
  const Json& json;
  std::string path;
  const std::string& source;

  [[noreturn]] void reject(std::string_view expectation) const {
    constexpr size_t kShown = 60;
    std::string got = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (got.size() > kShown) got = got.substr(0, kShown) + "...";
    fail(kReadTask, "expected '", path, "' ", expectation, " but got ", got, " in ", source);
  }
  std::string string(std::string_view expectation = "to be a string") const {
    if (!json.is_string()) reject(expectation);
    return json.get<std::string>();
  }
  JsonReader object() const { return JsonReader(json, kReadTask, source, path); }
  Value at(const std::string& name) const { return {json.at(name), path.empty() ? name : path + "." + name, source}; }
  Value at(size_t index) const { return {json.at(index), path + "[" + std::to_string(index) + "]", source}; }
  TextPattern pattern() const {
    return TextPattern(string("to be a regular expression"), kReadTask, "'" + path + "' of " + source);
  }
};

// Braces that are not closed would be taken for text.
std::string source_text(const Value& value) {
  const std::string text = value.string("to be a path or a text with {paths}");
  if (text.empty()) value.reject("to say where in the file it stands");
  const auto opened = std::ranges::count(text, '{'), closed = std::ranges::count(text, '}');
  if (opened != closed) value.reject("to close the braces around its paths");
  return text;
}

std::vector<std::pair<TextPattern, std::string>> replacements(const Value& value) {
  constexpr const char* kExpectation = "to be a list of [regular expression, text]";
  if (!value.json.is_array()) value.reject(kExpectation);
  std::vector<std::pair<TextPattern, std::string>> out;
  for (size_t i = 0; i < value.json.size(); ++i) {
    const Value pair = value.at(i);
    if (!pair.json.is_array() || pair.json.size() != 2) pair.reject("to be [regular expression, text]");
    out.emplace_back(pair.at(size_t{0}).pattern(), pair.at(size_t{1}).string());
  }
  return out;
}

FieldSpec read_field(const Value& value) {
  FieldSpec out;
  if (value.json.is_string()) {
    out.from = {source_text(value)};
    return out;
  }
  if (value.json.is_array()) {
    for (size_t i = 0; i < value.json.size(); ++i) out.from.push_back(source_text(value.at(i)));
    if (out.from.size() < 2) value.reject("to be a path, or a list of at least 2");
    return out;
  }
  if (!value.json.is_object()) value.reject("to be a path, a text with {paths}, a list of them or an object");
  const JsonReader in = value.object();
  in.only({"from", "optional", "find", "take", "remove", "replace", "words", "each", "split", "count", "as"});
  if (!in.has("from")) in.reject("from", "to be a path or a text with {paths}");
  out.from = read_field(value.at("from")).from;
  out.optional = in.boolean("optional", false);
  if (in.has("find")) out.find = value.at("find").pattern();
  if (in.has("take")) {
    const std::string take = in.string("take");
    if (!out.find || (take != "first" && take != "last")) in.reject("take", "to be first or last, beside 'find',");
    out.find_last = take == "last";
  }
  if (in.has("remove")) out.replace.emplace_back(value.at("remove").pattern(), "");
  if (in.has("replace")) std::ranges::move(replacements(value.at("replace")), std::back_inserter(out.replace));
  if (in.has("words")) {
    const JsonReader words = in.object("words");
    for (const auto& [word, meaning] : words.json().items()) out.words[word] = words.string(word);
  }
  if (in.has("each")) out.each = value.at("each").pattern();
  if (in.has("split")) out.split = value.at("split").pattern();
  if (in.has("count")) out.count = value.at("count").pattern();
  if (out.each.has_value() + out.split.has_value() + out.count.has_value() > 1) {
    value.reject("to have one of 'each', 'split' and 'count'");
  }
  const std::string as = in.string("as", "text");
  out.integer = as == "integer" || as == "integers";
  out.list = as == "texts" || as == "integers";
  if (as != "text" && !out.integer && !out.list) in.reject("as", "to be text, texts, integer or integers");
  return out;
}

std::optional<FieldSpec> read_optional(const Value& fields, const char* name) {
  if (!fields.json.contains(name) || fields.json.at(name).is_null()) return {};
  return read_field(fields.at(name));
}

FormSpec read_form(const Value& value) {
  FormSpec out;
  const JsonReader in = value.object();
  const std::string format = in.string("format");
  if (std::ranges::find(record_format_names(), format) == record_format_names().end()) {
    in.reject("format", "to be json, jsonl, csv, tsv or lines");
  }
  out.records.format = record_format(format, kReadTask);
  const bool table = out.records.format == RecordFormat::csv || out.records.format == RecordFormat::tsv;
  if (in.has("list") && out.records.format != RecordFormat::json) in.reject("list", "to be left out but for json");
  if (in.has("header") && !table) in.reject("header", "to be left out but for csv and tsv");
  out.records.list = in.string("list", "");
  out.records.header = in.boolean("header", true);

  in.object("fields").only({"question", "answer", "steps", "choices", "depth", "meta", "answer_is"});
  const Value fields = value.at("fields");
  const JsonReader names = in.object("fields");
  for (const char* name : {"question", "answer"}) {
    if (!names.has(name)) names.reject(name, "to say where it stands");
  }
  out.question = read_field(fields.at("question"));
  out.answer = read_field(fields.at("answer"));
  out.steps = read_optional(fields, "steps");
  out.choices = read_optional(fields, "choices");
  out.depth = read_optional(fields, "depth");
  if (names.has("meta")) {
    const Value meta = fields.at("meta");
    if (!meta.json.is_object()) meta.reject("to be an object of fields");
    for (const auto& [name, field] : meta.json.items()) out.meta.emplace(name, read_field(meta.at(name)));
  }
  static const std::vector<std::string> kForms = {"text", "letter", "index", "number"};
  const auto form = std::ranges::find(kForms, names.string("answer_is", "text"));
  if (form == kForms.end()) names.reject("answer_is", "to be text, letter, index (from 0) or number (from 1)");
  out.answer_is = static_cast<AnswerForm>(form - kForms.begin());
  if (out.answer_is != AnswerForm::text && !out.choices) names.reject("choices", "to be given where 'answer_is' is");
  return out;
}

std::vector<FormSpec> read_forms(const Value& root) {
  if (!root.json.contains("forms")) return {read_form(root)};
  const JsonReader in = root.object();
  for (const char* name : {"format", "list", "header", "fields"}) {
    if (in.has(name)) in.reject(name, "to stand in 'forms', where there are some,");
  }
  const Value list = root.at("forms");
  if (!list.json.is_array() || list.json.empty()) list.reject("to be a list of forms");
  std::vector<FormSpec> out;
  for (size_t i = 0; i < list.json.size(); ++i) {
    list.at(i).object().only({"format", "list", "header", "fields"});
    out.push_back(read_form(list.at(i)));
  }
  return out;
}

// A word in braces that nothing fills would stand in every prompt as it is.
void check_words(const JsonReader& in, const char* field, const std::string& text,
                 const std::vector<std::string>& known) {
  for (size_t begin = text.find('{'); begin != text.npos; begin = text.find('{', begin + 1)) {
    size_t end = begin + 1;
    while (end < text.size() && (std::islower(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) ++end;
    if (end == begin + 1 || end == text.size() || text[end] != '}') continue;
    const std::string word = text.substr(begin + 1, end - begin - 1);
    if (std::ranges::find(known, word) == known.end()) {
      in.reject(field, "to hold no words in braces but " + Json(known).dump() + ", not {" + word + "},");
    }
  }
}

PromptSpec read_prompt(const Value& root) {
  const JsonReader in = root.object();
  PromptSpec out;
  out.question = in.string("prompt", "");
  if (!out.question.empty() && out.question.find("{question}") == std::string::npos) {
    in.reject("prompt", "to have {question} in it");
  }
  check_words(in, "prompt", out.question, {"question", "choices"});
  out.choice = in.string("choice", out.choice);
  out.solution = in.string("solution", out.solution);
  check_words(in, "choice", out.choice, {"letter", "text"});
  check_words(in, "solution", out.solution, {"question", "choices", "steps", "answer"});
  out.step_separator = in.string("step_separator", out.step_separator);
  out.separator = in.string("separator", out.separator);
  return out;
}

std::vector<ScorerSpec> read_scorers(const Value& root) {
  const JsonReader in = root.object();
  if (!in.has("scorers")) in.reject("scorers", "to be a list of scorers");
  const Value list = root.at("scorers");
  if (!list.json.is_array() || list.json.empty()) list.reject("to be a list of scorers");
  std::vector<ScorerSpec> out;
  for (size_t i = 0; i < list.json.size(); ++i) {
    const Value each = list.at(i);
    if (each.json.is_string()) {
      out.push_back({each.string(), {}});
      continue;
    }
    if (!each.json.is_object()) each.reject("to be a scorer's name, or an object with name and options");
    const JsonReader scorer = each.object();
    scorer.only({"name", "options"});
    out.push_back({scorer.string("name"), scorer.has("options") ? scorer.object("options").json() : Json()});
  }
  return out;
}

}  // namespace

TaskSpec read_task_spec(const Json& json, const std::string& source, const std::filesystem::path& folder) {
  const JsonReader in(json, kReadTask, source);
  in.only({"name", "summary", "published", "licence", "data", "format", "list", "header", "fields", "forms", "prompt",
           "choice", "solution", "step_separator", "separator", "scorers", "max_answer_tokens", "stop"});
  const Value root{json, "", source};
  TaskSpec out;
  out.name = in.string("name");
  const bool plain = !out.name.empty() && std::ranges::all_of(out.name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  });
  if (!plain) in.reject("name", "to be of letters, digits, '_', '-' and '.'");
  out.summary = in.string("summary", "");
  out.published = in.string("published", "");
  out.licence = in.string("licence", "");
  if (in.has("data")) out.data = folder / in.string("data");
  out.forms = read_forms(root);
  out.prompt = read_prompt(root);
  out.scorers = read_scorers(root);
  if (in.has("max_answer_tokens")) out.max_answer_tokens = in.integer_in("max_answer_tokens", 1, 1 << 20);
  if (in.has("stop")) out.stop = in.strings("stop");
  if (std::ranges::find(out.stop, "") != out.stop.end()) in.reject("stop", "to hold texts");
  return out;
}

TaskSpec open_task_spec(const std::filesystem::path& file) {
  const Json json = read_json(file, kReadTask);
  return read_task_spec(json, file.string(), file.parent_path());
}

std::string choice_letter(int64_t index) {
  require(index >= 0 && index < 26, kReadTask, "expected at most 26 choices but got choice ", index + 1);
  return std::string(1, static_cast<char>('A' + index));
}

}  // namespace tacit
