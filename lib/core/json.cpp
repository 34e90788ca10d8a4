#include "lib/core/json.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/json_exact.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

constexpr size_t kShownValue = 60;    // bytes of an offending value that an error shows
constexpr size_t kShownReason = 160;  // bytes of the parser's own message

std::string shortened(std::string text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a UTF-8 character
  text.resize(end);
  return text + "...";
}

// A long string or array is cut before it is printed, so that an error about a huge value stays cheap.
std::string shown(const Json& value) {
  const auto print = [](const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); };
  if (value.is_string() && value.get_ref<const std::string&>().size() > kShownValue) {
    return shortened(print(value.get_ref<const std::string&>().substr(0, 2 * kShownValue)), kShownValue);
  }
  if (value.is_array() && value.size() > kShownValue) {
    return shortened(print(Json(Json::array_t(value.begin(), value.begin() + kShownValue))), kShownValue);
  }
  return shortened(print(value), kShownValue);
}

// The parser quotes raw input, which may be anything.
std::string printable_reason(std::string text) {
  if (const size_t prefix = text.find("] "); prefix != std::string::npos) text.erase(0, prefix + 2);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return shortened(std::move(text), kShownReason);
}

// Runs before the parser builds anything: deeply nested values cost stack wherever they are later walked.
void check_nesting(std::string_view text, std::string_view operation, std::string_view source, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // The parser takes a zero byte for the end of the input and would ignore what follows.
    require(c != '\0', operation, "expected JSON text but got a zero byte at byte ", i, " in ", source);
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      require(++depth <= max_depth, operation, "expected JSON nested at most ", max_depth,
              " levels deep but got a deeper one at byte ", i, " in ", source);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

// Whether digits, perhaps with a minus sign, are an int64_t or a uint64_t.
bool fits_64_bits(std::string_view number) {
  int64_t with_sign = 0;
  uint64_t without = 0;
  const auto read = [&](auto& value) {
    return std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc();
  };
  return read(with_sign) || read(without);
}

void check_whole_numbers(std::string_view text, std::string_view operation, std::string_view source) {
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') ++i;
    if (c == '"') in_string = !in_string;
    if (in_string || (c != '-' && (c < '0' || c > '9'))) continue;
    const size_t end = std::min(text.find_first_not_of("+-.0123456789eE", i), text.size());
    const std::string_view number = text.substr(i, end - i);
    if (number.find_first_of(".eE") == number.npos && !fits_64_bits(number)) {
      const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<int64_t>(i), '\n');
      const bool several = text.find('\n') < text.find_last_not_of(" \t\r\n");
      fail(operation,
           "expected a whole number of at most 64 bits, or a text (\"..\"), which keeps every digit, but got ",
           shortened(std::string(number), kShownValue), " in ",
           several ? "line " + std::to_string(line) + " of " : std::string(), source);
    }
    i = end - 1;
  }
}

// Looks for a name that comes twice in one object, and stops there. The events alone, without a value that is built:
// behind each item of a list the parser's own callback would walk the whole list again.
class RepeatedName : public nlohmann::json_sax<Json> {
 public:
  const std::optional<std::string>& found() const { return found_; }
  int64_t item() const { return item_; }  // where the whole text is a list: which of its items it is at, else -1

  bool start_object(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override {
    in_list_ = in_list_ || names_.empty();
    return open();
  }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    if (!names_.back().insert(name).second) found_ = name;
    return !found_;
  }
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(int64_t) override { return value(); }
  bool number_unsigned(uint64_t) override { return value(); }
  bool number_float(double, const std::string&) override { return value(); }
  bool string(std::string&) override { return value(); }
  bool binary(Json::binary_t&) override { return value(); }
  bool parse_error(size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool value() {
    item_ += in_list_ && names_.size() == 1;
    return true;
  }
  bool open() {
    value();
    names_.emplace_back();
    return true;
  }
  bool close() {
    names_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> names_;  // of what is open; a list has none
  std::optional<std::string> found_;
  bool in_list_ = false;  // the outermost value is a list
  int64_t item_ = -1;
};

template <class Parse>
Json parse_checked(std::string_view text, std::string_view operation, std::string_view source, int max_depth,
                   Parse parse) {
  require(text.find_first_not_of(" \t\r\n") != text.npos, operation, "expected JSON but got nothing in ", source);
  check_nesting(text, operation, source, max_depth);
  try {
    return parse();
  } catch (const Json::parse_error& error) {
    const size_t byte = error.byte > 0 ? error.byte - 1 : 0;  // the parser counts from 1
    fail(operation, "expected well-formed JSON but got, at byte ", byte, ", ", printable_reason(error.what()), " in ",
         source);
  } catch (const Json::exception& error) {
    fail(operation, "expected well-formed JSON but got ", printable_reason(error.what()), " in ", source);
  }
}

std::optional<int64_t> as_integer(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})
    return std::nullopt;
  return value.get<int64_t>();
}

std::string element(std::string_view name, size_t index) {
  return std::string(name) + '[' + std::to_string(index) + ']';
}

}  // namespace

Json parse_json(std::string_view text, std::string_view operation, std::string_view source, int max_depth) {
  return parse_checked(text, operation, source, max_depth, [&] { return Json::parse(text.begin(), text.end()); });
}

Json parse_json_unique(std::string_view text, std::string_view operation, std::string_view source, int max_depth) {
  return parse_checked(text, operation, source, max_depth, [&] {
    RepeatedName names;
    // It stops at what is no JSON as well, for the parser to say.
    if (!Json::sax_parse(text.begin(), text.end(), &names) && names.found()) {
      fail(operation, "expected every name once in an object but got ", shown(*names.found()), " twice in ",
           names.item() < 0 ? std::string() : "item " + std::to_string(names.item()) + " of ", source);
    }
    return Json::parse(text.begin(), text.end());
  });
}

Json parse_json_exact(std::string_view text, std::string_view operation, std::string_view source, int max_depth) {
  Json json = parse_json_unique(text, operation, source, max_depth);
  check_whole_numbers(text, operation, source);
  return json;
}

Json read_json_exact(const std::filesystem::path& path, std::string_view operation) {
  return parse_json_exact(read_file(path, operation), operation, path.string());
}

Json read_json(const std::filesystem::path& path, std::string_view operation) {
  return parse_json(read_file(path, operation), operation, path.string());
}

JsonReader::JsonReader(const Json& json, std::string operation, std::string source, std::string prefix)
    : json_(&json), operation_(std::move(operation)), source_(std::move(source)), prefix_(std::move(prefix)) {
  if (json.is_object()) return;
  const std::string what = prefix_.empty() ? "the whole file" : "'" + prefix_ + "'";
  fail(operation_, "expected ", what, " to be an object but got ", shown(json), " in ", source_);
}

bool JsonReader::has(std::string_view name) const {
  const auto field = json_->find(name);
  return field != json_->end() && !field->is_null();
}

std::string JsonReader::path(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : prefix_ + '.' + std::string(name);
}

const Json& JsonReader::at(std::string_view name) const {
  static const Json nothing;
  const auto field = json_->find(name);
  return field == json_->end() ? nothing : *field;
}

void JsonReader::reject(std::string_view name, std::string_view expectation) const {
  const std::string got = json_->contains(name) ? shown(at(name)) : "nothing";
  fail(operation_, "expected '", path(name), "' ", expectation, " but got ", got, " in ", source_);
}

int64_t JsonReader::integer(std::string_view name) const {
  const std::optional<int64_t> value = as_integer(at(name));
  if (!value) reject(name, "to be an integer");
  return *value;
}

int64_t JsonReader::integer(std::string_view name, int64_t fallback) const {
  return has(name) ? integer(name) : fallback;
}

int64_t JsonReader::integer_in(std::string_view name, int64_t low, int64_t high) const {
  const std::optional<int64_t> value = as_integer(at(name));
  if (!value || *value < low || *value > high) {
    reject(name, "to be an integer from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return *value;
}

double JsonReader::number(std::string_view name) const {
  const Json& value = at(name);
  if (!value.is_number()) reject(name, "to be a number");
  return value.get<double>();
}

double JsonReader::number(std::string_view name, double fallback) const { return has(name) ? number(name) : fallback; }

bool JsonReader::boolean(std::string_view name, bool fallback) const {
  if (!has(name)) return fallback;
  const Json& value = at(name);
  if (!value.is_boolean()) reject(name, "to be true or false");
  return value.get<bool>();
}

std::string JsonReader::string(std::string_view name) const {
  const Json& value = at(name);
  if (!value.is_string()) reject(name, "to be a string");
  return value.get<std::string>();
}

std::string JsonReader::string(std::string_view name, std::string_view fallback) const {
  return has(name) ? string(name) : std::string(fallback);
}

std::vector<int64_t> JsonReader::integers(std::string_view name) const {
  const Json& values = at(name);
  if (!values.is_array()) reject(name, "to be a list of integers");
  std::vector<int64_t> result;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::optional<int64_t> value = as_integer(values[i]);
    require(value.has_value(), operation_, "expected '", path(element(name, i)), "' to be an integer but got ",
            shown(values[i]), " in ", source_);
    result.push_back(*value);
  }
  return result;
}

std::vector<std::string> JsonReader::strings(std::string_view name) const {
  const Json& values = at(name);
  if (!values.is_array()) reject(name, "to be a list of strings");
  std::vector<std::string> result;
  for (size_t i = 0; i < values.size(); ++i) {
    require(values[i].is_string(), operation_, "expected '", path(element(name, i)), "' to be a string but got ",
            shown(values[i]), " in ", source_);
    result.push_back(values[i].get<std::string>());
  }
  return result;
}

JsonReader JsonReader::object(std::string_view name) const {
  if (!at(name).is_object()) reject(name, "to be an object");
  return JsonReader(at(name), operation_, source_, path(name));
}

void JsonReader::only(std::initializer_list<std::string_view> known) const {
  only(std::vector<std::string>(known.begin(), known.end()));
}

void JsonReader::only(const std::vector<std::string>& known) const {
  for (const auto& field : json_->items()) {
    if (std::find(known.begin(), known.end(), field.key()) != known.end()) continue;
    fail(operation_, "expected only known fields in ", source_, " but got '",
         shortened(path(field.key()), 2 * kShownValue), "'", did_you_mean(field.key(), known));
  }
}

}  // namespace tacit
