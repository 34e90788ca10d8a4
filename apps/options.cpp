#include "apps/options.h"

#include <algorithm>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <charconv>
#include <cmath>
#include <iostream>

#include "apps/help_text.h"
#include "latent/method.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/core/split.h"

namespace po = boost::program_options;

namespace tacit {
namespace {

constexpr int64_t kMostThreads = 1024;

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// Of a list's line, "  lens    what each says", what stands before the text; "" of a sentence.
std::string list_head(const std::string& line) {
  if (!line.starts_with("  ")) return "";
  const size_t gap = line.find("  ", 2);
  const size_t text = gap == std::string::npos ? 2 : line.find_first_not_of(' ', gap);
  return line.substr(0, text);
}

std::string config_text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace

Options::Options(std::string command, std::string description, std::string example)
    : command_(std::move(command)),
      description_(std::move(description)),
      example_(std::move(example)),
      visible_("Options", static_cast<unsigned>(help_columns()), static_cast<unsigned>(help_columns() / 2)) {}

void Options::reject(const std::string& what) const { throw UsageError("[" + command_ + "] " + what); }

void Options::reject_value(const std::string& name, const std::string& expectation, const std::string& text) const {
  reject("expected " + expectation + " for '--" + name + "' but got '" + text + "'");
}

void Options::declare(const std::string& name, const std::string& value, const std::string& help, Option option) {
  option.name = name;
  option.flag = value.empty();
  options_.push_back(std::move(option));
  if (value.empty()) {
    visible_.add_options()(name.c_str(), help.c_str());
  } else {
    visible_.add_options()(name.c_str(), po::value<std::string>()->value_name(value), help.c_str());
  }
}

void Options::add(const std::string& name, const std::string& value, std::string* to, const std::string& help) {
  declare(name, value, help, {.set = [to](const std::string& text) { *to = text; }});
}

void Options::add(const std::string& name, const std::string& value, std::filesystem::path* to,
                  const std::string& help) {
  declare(name, value, help, {.set = [this, name, to](const std::string& text) {
            if (text.empty()) reject_value(name, "a path", text);
            *to = text;
          }});
}

void Options::add(const std::string& name, const std::string& value, int64_t* to, const std::string& help, int64_t low,
                  int64_t high) {
  declare(name, value, help, {.set = [this, name, to, low, high](const std::string& text) {
            const auto number = parse_number<int64_t>(text);
            if (!number) reject_value(name, "a whole number", text);
            if (*number < low) reject_value(name, "at least " + std::to_string(low), text);
            if (*number > high) reject_value(name, "at most " + std::to_string(high), text);
            *to = *number;
          }});
}

void Options::add(const std::string& name, const std::string& value, uint64_t* to, const std::string& help) {
  declare(name, value, help, {.set = [this, name, to](const std::string& text) {
            const auto number = parse_number<uint64_t>(text);
            if (!number) reject_value(name, "a whole number of at least 0", text);
            *to = *number;
          }});
}

void Options::add(const std::string& name, const std::string& value, double* to, const std::string& help, double low) {
  declare(name, value, help, {.set = [this, name, to, low](const std::string& text) {
            const auto number = parse_number<double>(text);
            if (!number || !std::isfinite(*number) || *number < low) {
              std::ostringstream bound;
              bound << "a number";
              if (low > std::numeric_limits<double>::lowest()) bound << " of at least " << low;
              reject_value(name, bound.str(), text);
            }
            *to = *number;
          }});
}

void Options::add(const std::string& name, const std::string& value, std::optional<uint64_t>* to,
                  const std::string& help) {
  declare(name, value, help, {.set = [this, name, to](const std::string& text) {
            *to = parse_number<uint64_t>(text);
            if (!*to) reject_value(name, "a whole number of at least 0", text);
          }});
}

void Options::add(const std::string& name, const std::string& value, std::optional<std::string>* to,
                  const std::string& help) {
  declare(name, value, help, {.set = [to](const std::string& text) { *to = text; }});
}

void Options::add(const std::string& name, const std::string& value, std::vector<std::string>* to,
                  const std::string& help) {
  declare(name, value, help, {.repeats = true, .set = [to](const std::string& text) { to->push_back(text); }});
}

void Options::choice(const std::string& name, std::vector<std::string> choices, std::string* to,
                     const std::string& help) {
  std::string listed;
  for (const std::string& choice : choices) listed += (listed.empty() ? "" : "|") + choice;
  declare(
      name, listed, help, {.set = [this, name, to, choices, listed](const std::string& text) {
        if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
          reject("expected " + listed + " for '--" + name + "' but got '" + text + "'" + did_you_mean(text, choices));
        }
        *to = text;
      }});
}

void Options::flag(const std::string& name, bool* to, const std::string& help) {
  declare(name, "", help, {.set = [this, name, to](const std::string& text) {
            if (text != "true" && text != "false") reject_value(name, "true or false", text);
            *to = text == "true";
          }});
}

void Options::positional(const std::string& value, std::string* to, const std::string& help, bool optional) {
  positional_.push_back({value, help, to, optional});
}

void Options::positional(const std::string& value, std::vector<std::string>* to, const std::string& help) {
  positional_.push_back({value, help, nullptr, false, to});
}

void Options::common(CommonOptions& common, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (name == "model") {
      add("model", "DIR", &common.model, "checkpoint: a folder with config.json and weights");
    } else if (name == "method") {
      add("method", "NAME", &common.method,
          "way to reason; 'latent' = the one the checkpoint was trained for (default latent)");
    } else if (name == "latents") {
      add("latents", "N", &common.latents, "thoughts before the answer (default: the checkpoint's own)", 0,
          kMostThoughts);
    } else if (name == "option") {
      add("option", "NAME=VALUE", &common.method_options,
          "of the method, over the checkpoint's own (docs/methods names them); may repeat");
    } else if (name == "recurrences") {
      add("recurrences", "N", &common.recurrences,
          "times that a model which thinks in depth runs its shared blocks (default: the checkpoint's own)", 1);
    } else if (name == "words") {
      add("max-words", "N", &common.max_words,
          "tokens of a written chain at most (default: the checkpoint's own, or 64)", 0, kMostThoughts);
      add("think-marker", "TOKEN", &common.think_marker, "opens a written chain (default: the checkpoint's own)");
      add("answer-marker", "TOKEN", &common.answer_marker,
          "ends a written chain and asks for the answer (default: the checkpoint's own)");
      add("end-marker", "TOKEN", &common.end_marker,
          "ends the answer; '' = nothing does (default: the checkpoint's own, else its eos_token_id)");
    } else if (name == "device") {
      add("device", "NAME", &common.device, "cpu, cuda or cuda:N (default cpu)");
    } else if (name == "dtype") {
      choice("dtype", {"fp32", "bf16", "fp16"}, &common.dtype, "of weights and memory (default fp32)");
    } else if (name == "weights") {
      choice("weights", {"dtype", "int8"}, &common.weights,
             "of the blocks' matrices: as --dtype says, or rounded to int8, one scale for each output (default dtype)");
    } else if (name == "seed") {
      add("seed", "N", &common.seed, "of everything random (default " + std::to_string(common.seed) + ")");
    } else if (name == "batch") {
      add("batch", "N", &common.batch, "rows computed together (default " + std::to_string(common.batch) + ")", 1);
    } else if (name == "threads") {
      add("threads", "N", &common.threads, "CPU threads (default: one a core)", 1, kMostThreads);
    } else if (name == "json") {
      flag("json", &common.json, "print JSON");
    } else if (name == "config") {
      add("config", "FILE", &config_, "JSON object with options by name; the command line wins");
    } else {
      fail("options", "expected the name of a common option but got '", name, "'");
    }
  }
}

const Options::Option* Options::find(const std::string& name) const {
  const auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.name == name; });
  return found == options_.end() ? nullptr : &*found;
}

std::vector<std::string> Options::names() const {
  std::vector<std::string> all = {"help"};
  for (const Option& option : options_) all.push_back(option.name);
  return all;
}

std::string Options::help() const {
  std::ostringstream out;
  for (const std::string& paragraph : split(description_, '\n')) {
    const std::string head = list_head(paragraph);
    out << help_text(paragraph.substr(head.size()), head) << "\n";
  }
  out << "\nUsage: tacit " << command_;
  for (const Positional& p : positional_)
    out << (p.optional ? " [" + p.value + "]" : " " + p.value + (p.all ? ".." : ""));
  out << (options_.empty() ? "\n\n" : " [options]\n\n");
  for (const Positional& p : positional_) out << help_text(p.value + ": " + p.help, "  ") << "\n";
  if (!positional_.empty()) out << "\n";
  if (!options_.empty()) out << visible_ << "\n";
  out << "Example:\n";
  std::istringstream lines(example_);
  for (std::string line; std::getline(lines, line);) out << "  " << line << "\n";
  return out.str();
}

std::vector<std::pair<std::string, std::string>> Options::read_arguments(std::vector<std::string> args,
                                                                         std::vector<std::string>& words) const {
  // Boost refuses the empty value of "--text=", which is a text like any other.
  for (size_t i = 0; i < args.size(); ++i) {
    if (!args[i].starts_with("--") || !args[i].ends_with("=") || !find(args[i].substr(2, args[i].size() - 3))) continue;
    args[i].pop_back();
    args.insert(args.begin() + static_cast<std::ptrdiff_t>(++i), "");
  }
  po::options_description all;
  all.add(visible_).add_options()("-", po::value<std::vector<std::string>>(), "");
  po::positional_options_description rest;
  rest.add("-", -1);
  const int style = po::command_line_style::allow_long | po::command_line_style::long_allow_adjacent |
                    po::command_line_style::long_allow_next;
  std::vector<std::pair<std::string, std::string>> found;
  try {
    const po::parsed_options parsed = po::command_line_parser(args).options(all).positional(rest).style(style).run();
    for (const po::option& option : parsed.options) {
      if (option.position_key >= 0) {
        words.insert(words.end(), option.value.begin(), option.value.end());
      } else if (!find(option.string_key)) {
        reject("unknown option '--" + option.string_key + "'");  // '---', the name of what stands without a dash
      } else {
        found.emplace_back(option.string_key, option.value.empty() ? "true" : option.value.front());
      }
    }
  } catch (const po::unknown_option& error) {
    std::string name = error.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    const std::string near = nearest(name, names());
    reject("unknown option '--" + name + "'" + (near.empty() ? "" : ", did you mean '--" + near + "'?"));
  } catch (const po::error_with_option_name& error) {
    reject(error.what());
  } catch (const po::error& error) {
    reject(error.what());
  }
  return found;
}

void Options::read_config(const std::filesystem::path& file) {
  const Json config = read_json(file, command_);
  if (!config.is_object()) reject("expected an object with options by name in " + file.string());
  for (const auto& [name, value] : config.items()) {
    const Option* option = find(name);
    if (!option || name == "config")
      reject("unknown option '" + name + "' in " + file.string() + did_you_mean(name, names()));
    if (given_.contains(name)) continue;
    if (value.is_array() && option->repeats) {
      for (const Json& item : value) option->set(config_text(item));
    } else if (value.is_primitive() && !value.is_null()) {
      option->set(config_text(value));
    } else {
      reject("expected a text, a number or a boolean for '" + name + "' but got " + value.dump() + " in " +
             file.string());
    }
    given_.insert(name);
  }
}

void Options::set_positional(const std::vector<std::string>& words) {
  for (size_t i = 0; i < positional_.size(); ++i) {
    if (i >= words.size() && positional_[i].optional) break;
    if (i >= words.size()) reject("expected " + positional_[i].value + " (" + positional_[i].help + ")");
    if (positional_[i].all) {
      positional_[i].all->assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      return;
    }
    *positional_[i].to = words[i];
  }
  if (words.size() > positional_.size()) reject("unexpected argument '" + words[positional_.size()] + "'");
}

bool Options::parse(const std::vector<std::string>& args) {
  // "-h" only at the start: a text to tokenize may well be that.
  const bool asked = std::any_of(args.begin(), args.end(), [](const std::string& a) { return a == "--help"; }) ||
                     (!args.empty() && (args[0] == "-h" || args[0] == "help"));
  if (asked) {
    std::cout << help();
    return false;
  }
  std::vector<std::string> words;
  const auto found = read_arguments(args, words);
  for (const auto& [name, text] : found) {
    const Option& option = *find(name);
    if (given_.contains(name) && !option.repeats) reject("option '--" + name + "' is given twice");
    option.set(text);
    given_.insert(name);
  }
  set_positional(words);
  if (!config_.empty()) read_config(config_);
  return true;
}

bool Options::given(const std::string& name) const { return given_.contains(name); }

void Options::reject_given(std::initializer_list<std::string_view> names, std::string_view beside) const {
  const std::string what = find(std::string(beside)) ? "'--" + std::string(beside) + "'" : std::string(beside);
  for (const std::string_view name : names) {
    if (given(std::string(name)))
      reject("expected no '--" + std::string(name) + "' beside " + what + ", where it has no meaning");
  }
}

void Options::reject_useless(std::initializer_list<std::string_view> names, std::string_view use) const {
  for (const std::string_view name : names) {
    if (given(std::string(name))) reject("expected '--" + std::string(name) + "' only with " + std::string(use));
  }
}

void Options::require_option(const std::string& name) const {
  if (!given(name)) reject("expected option '--" + name + "'");
}

Json parse_method_options(const std::vector<std::string>& given) {
  Json out = Json::object();
  for (const std::string& text : given) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos)
      throw UsageError("expected NAME=VALUE for '--option' but got '" + text + "'");
    const std::string name = text.substr(0, equals), value = text.substr(equals + 1);
    if (out.contains(name)) throw UsageError("option '" + name + "' of the method is given twice");
    const Json parsed = Json::parse(value, nullptr, /*allow_exceptions=*/false);
    out[name] = parsed.is_discarded() ? Json(value) : parsed;
  }
  return out;
}

}  // namespace tacit
