#include <algorithm>
#include <charconv>

#include "eval/task_spec.h"
#include "lib/core/data_file.h"
#include "lib/core/error.h"

// From a record of a file to an example, as a task's form says.

namespace tacit {
namespace {

constexpr const char* kReadProblems = "read_problems";

std::string excerpt(const std::string& text) {
  constexpr size_t kShown = 60;
  const std::string shown = text.size() > kShown ? text.substr(0, kShown) + "..." : text;
  return Json(shown).dump(-1, ' ', true, Json::error_handler_t::replace);
}

struct Reader {
  const FieldSpec& field;
  const char* name;
  const FileRecord& record;

  [[noreturn]] void reject(std::string_view expectation, const std::string& got) const {
    fail(kReadProblems, "expected '", name, "' ", expectation, " but got ", got, " in ", record.place);
  }

  // Strings as they are, numbers and truth values as JSON writes them.
  std::string text_of(const Json& value, std::string_view path) const {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    reject("to be a text, a number or true or false at '" + std::string(path) + "'", value.type_name());
  }

  // Null pointer where the record has nothing there, which only an optional field may.
  const Json* at(std::string_view path) const {
    const Json* value = find_path(record.value, path);
    if (value != nullptr && !value->is_null()) return value;
    if (!field.optional) reject("at '" + std::string(path) + "'", "nothing");
    return nullptr;
  }

  std::optional<std::string> filled(const std::string& from) const {
    if (from.find('{') == from.npos) {
      const Json* value = at(from);
      return value == nullptr ? std::nullopt : std::optional(text_of(*value, from));
    }
    std::string out;
    for (size_t i = 0; i < from.size();) {
      const size_t open = std::min(from.find('{', i), from.size());
      out += from.substr(i, open - i);
      if (open == from.size()) break;
      const size_t close = from.find('}', open);
      require(close != from.npos, kReadProblems, "expected '", name, "' to close its braces but got ", from);
      const std::string path = from.substr(open + 1, close - open - 1);
      const Json* value = at(path);
      if (value == nullptr) return {};
      out += without_outer_space(text_of(*value, path));
      i = close + 1;
    }
    return out;
  }

  std::optional<std::string> cleaned(std::string text) const {
    if (field.find) {
      std::optional<std::string> found = field.find->find(text, field.find_last);
      if (!found && !field.optional) reject("to have '" + field.find->text() + "' in it", excerpt(text));
      if (!found) return {};
      text = std::move(*found);
    }
    for (const auto& [pattern, with] : field.replace) text = pattern.replaced(text, with);
    text = without_outer_space(text);
    const auto word = field.words.find(text);
    return word == field.words.end() ? text : word->second;
  }

  // The field as one text before it is split.
  std::optional<std::string> text() const {
    if (field.from.size() != 1) reject("to be one text", "a list");
    std::optional<std::string> out = filled(field.from[0]);
    if (out && (field.each || field.split || field.count)) return out;
    return out ? cleaned(*out) : out;
  }

  std::vector<std::string> raw_texts() const {
    if (field.from.size() > 1) {
      std::vector<std::string> out;
      for (const std::string& from : field.from) {
        if (auto each = filled(from)) out.push_back(std::move(*each));
      }
      return out;
    }
    if (field.from[0].find('{') == std::string::npos) {
      const Json* value = at(field.from[0]);
      if (value == nullptr) return {};
      if (value->is_array()) {
        std::vector<std::string> out;
        for (const Json& item : *value) out.push_back(text_of(item, field.from[0]));
        return out;
      }
    }
    const std::optional<std::string> whole = filled(field.from[0]);
    if (!whole) return {};
    if (field.each) return field.each->find_all(*whole);
    if (field.split) return field.split->split(*whole);
    return {*whole};
  }

  // Cleaned, without empty ones.
  std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (std::string& each : raw_texts()) {
      std::optional<std::string> clean = cleaned(std::move(each));
      if (clean && !clean->empty()) out.push_back(std::move(*clean));
    }
    return out;
  }

  // Cleaned; a record may have fewer than another, but none is left out between two, since a letter counts them.
  std::vector<std::string> all_texts() const {
    std::vector<std::string> out;
    std::vector<std::string> raw = raw_texts();
    while (!raw.empty() && cleaned(std::string(raw.back())).value_or("").empty()) raw.pop_back();
    for (std::string& each : raw) {
      std::optional<std::string> clean = cleaned(std::move(each));
      if (!clean || clean->empty())
        reject("to hold no empty text", "choice " + std::to_string(out.size() + 1) + " empty");
      out.push_back(std::move(*clean));
    }
    return out;
  }

  int64_t integer(const std::string& text) const {
    int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || last != end) reject("to be an integer", excerpt(text));
    return value;
  }

  std::optional<int64_t> integer() const {
    const std::optional<std::string> found = text();
    if (!found) return {};
    if (field.count) return std::ssize(field.count->find_all(*found));
    return integer(*found);
  }

  OrderedJson meta() const {
    if (!field.list) {
      if (field.integer || field.count) {
        const std::optional<int64_t> number = integer();
        return number ? OrderedJson(*number) : OrderedJson();
      }
      const std::optional<std::string> found = text();
      return found ? OrderedJson(*found) : OrderedJson();
    }
    OrderedJson out = OrderedJson::array();
    for (const std::string& each : texts())
      out.push_back(field.integer ? OrderedJson(integer(each)) : OrderedJson(each));
    return out;
  }
};

// The place of the right choice, from 0.
int64_t place_of(const Example& example, const Reader& answer, AnswerForm form) {
  const int64_t choices = std::ssize(example.choices);
  int64_t index = -1;
  if (form == AnswerForm::letter) {
    const std::string letter = without_outer_space(example.answer);
    if (letter.size() == 1 && std::isalpha(static_cast<unsigned char>(letter[0])) != 0) {
      index = std::toupper(static_cast<unsigned char>(letter[0])) - 'A';
    }
  } else {
    index = answer.integer(example.answer) - (form == AnswerForm::number ? 1 : 0);
  }
  if (index < 0 || index >= choices) {
    answer.reject("to name one of " + std::to_string(choices) + " choices", excerpt(example.answer));
  }
  return index;
}

Example example_of(const FormSpec& form, const FileRecord& record, bool empty_answers) {
  Example out;
  const Reader question{form.question, "question", record}, answer{form.answer, "answer", record};
  out.question = question.text().value_or("");
  if (out.question.empty()) question.reject("to ask something", "\"\"");
  out.answer = answer.text().value_or("");
  if (out.answer.empty() && !empty_answers) answer.reject("to hold an answer", "\"\"");
  if (form.steps) out.steps = Reader{*form.steps, "steps", record}.texts();
  if (form.choices) out.choices = Reader{*form.choices, "choices", record}.all_texts();
  if (form.answer_is != AnswerForm::text && !out.answer.empty()) {
    const int64_t place = place_of(out, answer, form.answer_is);
    out.answer = choice_letter(place);
    out.meta["choice"] = place;
  }
  for (const auto& [name, field] : form.meta) {
    OrderedJson value = Reader{field, name.c_str(), record}.meta();
    if (!value.is_null()) out.meta[name] = std::move(value);
  }
  if (form.depth) {
    if (const auto depth = Reader{*form.depth, "depth", record}.integer()) out.meta["depth"] = *depth;
  }
  return out;
}

RecordOptions first_only(RecordOptions options) {
  options.limit = 1;
  return options;
}

// "" where the form fits the file's first record.
std::string why_not(const FormSpec& form, const std::filesystem::path& file) {
  try {
    for (const FileRecord& record : read_records(file, first_only(form.records), kReadProblems)) {
      example_of(form, record, /*empty_answers=*/true);
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const FormSpec& fitting_form(const TaskSpec& spec, const std::filesystem::path& file) {
  if (spec.forms.size() == 1) return spec.forms[0];  // which then says itself what is wrong
  std::string reasons;
  for (const FormSpec& form : spec.forms) {
    const std::string reason = why_not(form, file);
    if (reason.empty()) return form;
    reasons += "\n  " + record_format_names()[static_cast<size_t>(form.records.format)] + ": " + reason;
  }
  fail(kReadProblems, "expected a file of task '", spec.name, "' but ", file.string(),
       " is in none of its forms:", reasons);
}

// What `tacit data generate` and `convert` write.
bool holds_examples(const std::filesystem::path& file) {
  try {
    const std::vector<FileRecord> first =
        read_records(file, {.format = RecordFormat::jsonl, .limit = 1}, kReadProblems);
    return first.size() == 1 && first[0].value.contains("id") && first[0].value.contains("question") &&
           first[0].value.contains("steps") && first[0].value.contains("answer");
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::vector<Example> read_problems(const TaskSpec& spec, const std::filesystem::path& file, bool empty_answers) {
  require_data_file(file, kReadProblems, "task '" + spec.name + "'");
  if (holds_examples(file)) {
    return read_examples(file, [&](const Example& example, const std::string& source) {
      require(empty_answers || !without_outer_space(example.answer).empty(), kReadProblems,
              "expected 'answer' to hold an answer but got \"\" in ", source);
    });
  }
  const FormSpec& form = fitting_form(spec, file);
  std::vector<Example> out;
  for (const FileRecord& record : read_records(file, form.records, kReadProblems)) {
    out.push_back(example_of(form, record, empty_answers));
    out.back().id = file.stem().string() + "/" + std::to_string(out.size() - 1);
  }
  return out;
}

}  // namespace tacit
