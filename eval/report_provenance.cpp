#include "eval/report_columns.h"

namespace tacit {
namespace {

std::string shell_word(const std::string& word) {
  const std::string safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=.,:/@%";
  if (!word.empty() && word.find_first_not_of(safe) == word.npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string command_text(const OrderedJson& words) {
  std::string out;
  for (const OrderedJson& word : words)
    out += (out.empty() ? "" : " ") + shell_word(word.is_string() ? word.get<std::string>() : word.dump());
  return out;
}

struct Field {
  const char *name, *title;
  bool hash = false;  // shown by its beginning; the JSON report has all of it
};

constexpr Field kFields[] = {{"versions", "versions"},
                             {"cpu", "CPU"},
                             {"device", "device"},
                             {"threads", "threads"},
                             {"dtype", "dtype"},
                             {"weights", "format of weights"},
                             {"batch", "batch"},
                             {"seed", "seed"},
                             {"generator", "generator"},
                             {"data", "data"},
                             {"data_sha256", "data, sha256", true},
                             {"weights_sha256", "weights, sha256", true}};

}  // namespace

std::string recorded_text(const OrderedJson& value, bool hash) {
  if (value.is_null()) return "–";
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    return hash ? text.substr(0, 16) : text.find('\n') == text.npos ? text : value.dump();
  }
  if (!value.is_structured()) return value.dump();
  const bool list = value.is_array();
  std::string out;
  for (const auto& [name, part] : value.items())
    out += (out.empty() ? "" : list ? " " : ", ") + (list ? "" : name + " ") + recorded_text(part, hash);
  return out;
}

std::vector<std::string> provenance_lines(const Comparison& comparison) {
  const OrderedJson& known = comparison.provenance;
  std::vector<std::string> lines;
  if (!known.is_object()) return lines;
  if (known.contains("command")) lines.push_back(command_text(known.at("command")));
  const OrderedJson by_row = known.value("by_row", OrderedJson::object());
  for (const OrderedJson& command : known.value("run_commands", OrderedJson::array()))
    lines.push_back(command_text(command));
  for (const Field& field : kFields) {
    const auto text = [&](const OrderedJson& value) { return recorded_text(value, field.hash); };
    const std::string title = std::string(field.title) + ": ";
    if (known.contains(field.name) && !known.at(field.name).is_null())
      lines.push_back(title + text(known.at(field.name)));
    if (!by_row.contains(field.name)) continue;
    std::string each;
    for (const auto& [name, value] : by_row.at(field.name).items())
      each += (each.empty() ? "" : ", ") + name + " " + text(value);
    lines.push_back(title + each);
  }
  return lines;
}

}  // namespace tacit
