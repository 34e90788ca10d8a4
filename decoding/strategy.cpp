#include "decoding/strategy.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <vector>

#include "decoding/drawn_thoughts.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/core/split.h"

namespace tacit {
namespace {

constexpr const char* kDecode = "decode";

struct Form {
  StrategyKind kind;
  const char* name;
  const char* value;  // what stands bare behind the name; "" = nothing
};
constexpr Form kForms[] = {{StrategyKind::greedy, "greedy", ""},   {StrategyKind::sample, "sample", ""},
                           {StrategyKind::noise, "noise", "SIZE"}, {StrategyKind::beam, "beam", "N"},
                           {StrategyKind::vote, "vote", "N"},      {StrategyKind::best, "best", "N"},
                           {StrategyKind::tree, "tree", ""},       {StrategyKind::contrast, "contrast", ""}};

const Form& form_of(StrategyKind kind) {
  for (const Form& form : kForms) {
    if (form.kind == kind) return form;
  }
  fail(kDecode, "expected a known strategy");
}

std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

// One setting of a strategy, read and written. `low`..`high`, whole numbers where `whole`.
struct Setting {
  std::string name;
  std::function<double(const Strategy&)> get;
  std::function<void(Strategy&, double)> set;
  double low = 0, high = 1e9;
  bool whole = false;
  std::vector<std::string> words = {};  // the value is one of these, and its place the number
};

template <class Get>
Setting setting(std::string name, Get field, double low = 0, double high = 1e9) {
  using Field = std::remove_cvref_t<decltype(field(std::declval<Strategy&>()))>;
  return {std::move(name),
          [field](const Strategy& s) { return static_cast<double>(field(s)); },
          [field](Strategy& s, double x) { field(s) = static_cast<Field>(x); },
          low,
          high,
          std::is_integral_v<Field>};
}

template <class Get>
Setting choice(std::string name, std::vector<std::string> words, Get field) {
  Setting out = setting(std::move(name), field);
  out.words = std::move(words);
  return out;
}

// The setting that stands bare behind the name comes first.
std::vector<Setting> settings_of(StrategyKind kind) {
  std::vector<Setting> out;
  const auto drawn = [&] {
    out.push_back(setting(
        "temperature", [](auto& s) -> auto& { return s.sampling.temperature; }));
    out.push_back(setting(
        "top-k", [](auto& s) -> auto& { return s.sampling.top_k; }));
    out.push_back(setting(
        "top-p", [](auto& s) -> auto& { return s.sampling.top_p; }, 1e-9, 1));
    out.push_back(setting(
        "min-p", [](auto& s) -> auto& { return s.sampling.min_p; }, 0, 1));
    out.push_back(setting(
        "noise", [](auto& s) -> auto& { return s.noise; }));
  };
  const auto samples = setting(
      "samples", [](auto& s) -> auto& { return s.samples; }, 1, kMostSamples);
  switch (kind) {
    case StrategyKind::greedy: break;
    case StrategyKind::sample: drawn(); break;
    case StrategyKind::noise:
      out = {setting(
          "noise", [](auto& s) -> auto& { return s.noise; })};
      break;
    case StrategyKind::beam:
      out = {setting(
                 "width", [](auto& s) -> auto& { return s.beam.width; }, 1, 4096),
             setting(
                 "length-penalty", [](auto& s) -> auto& { return s.beam.length_penalty; }, -100, 100)};
      break;
    case StrategyKind::best:
      out = {samples};
      drawn();
      out.push_back(choice(
          "by", {"mean", "sum"}, [](auto& s) -> auto& { return s.likelihood; }));
      break;
    case StrategyKind::vote:
      out = {samples};
      drawn();
      break;
    case StrategyKind::tree:
      out = {setting(
                 "width", [](auto& s) -> auto& { return s.tree.width; }, 1, kMostSamples),
             setting(
                 "branch", [](auto& s) -> auto& { return s.tree.branch; }, 1, kMostSamples),
             choice(
                 "expand", {"noise", "tokens"}, [](auto& s) -> auto& { return s.tree.expand; }),
             setting(
                 "noise", [](auto& s) -> auto& { return s.tree.noise; }),
             choice(
                 "by", {"likelihood", "entropy"}, [](auto& s) -> auto& { return s.tree.value; })};
      break;
    case StrategyKind::contrast:
      out = {setting(
                 "weight", [](auto& s) -> auto& { return s.contrast.weight; }),
             setting(
                 "plausible", [](auto& s) -> auto& { return s.contrast.plausible; }, 0, 1),
             setting(
                 "thoughts", [](auto& s) -> auto& { return s.contrast.thoughts; })};
      break;
  }
  return out;
}

// Every setting at its usual value.
Strategy usual(StrategyKind kind) {
  Strategy out{.kind = kind};
  const bool drawn = kind == StrategyKind::sample || kind == StrategyKind::vote || kind == StrategyKind::best;
  if (drawn) out.sampling.temperature = 1;
  return out;
}

void read_value(Strategy& to, const Setting& setting, const std::string& text, const std::string& whole_text) {
  if (!setting.words.empty()) {
    for (size_t i = 0; i < setting.words.size(); ++i) {
      if (setting.words[i] == text) return setting.set(to, static_cast<double>(i));
    }
    std::string known;
    for (const std::string& word : setting.words) known += (known.empty() ? "" : " or ") + word;
    fail(kDecode, "expected '", setting.name, "' to be ", known, " but got '", text, "' in '", whole_text, "'");
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool fits = !text.empty() && error == std::errc() && end == text.data() + text.size() && value >= setting.low &&
                    value <= setting.high && (!setting.whole || value == std::floor(value));
  require(fits, kDecode, "expected '", setting.name, "' to be a ", setting.whole ? "whole " : "", "number from ",
          setting.low, " to ", setting.high, " but got '", text, "' in '", whole_text, "'");
  setting.set(to, value);
}

// Fails where a text begins with the form's name and goes on in another form's way: "greedy:temperature=1",
// "sample,top-k=3", "vote,4".
void require_shape(const Form& form, const std::string& text) {
  const size_t end = text.find_first_of(":,");
  if (end == text.npos || text.substr(0, end) != form.name) return;
  require(form.kind != StrategyKind::greedy, kDecode,
          "expected 'greedy' alone, which has no settings (those of "
          "draws are sample's, as 'sample:temperature=1'), but got '",
          text, "'");
  const std::string value = *form.value ? form.value : "NAME=VALUE";
  require(text[end] == ':', kDecode, "expected ':' behind '", form.name, "', as '", form.name, ":", value,
          "', but got '", text, "'");
}

}  // namespace

Strategy parse_strategy(const std::string& text) {
  for (const Form& form : kForms) require_shape(form, text);
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const Form* form = nullptr;
  std::vector<std::string> names;
  std::string listed;
  for (const Form& candidate : kForms) {
    names.push_back(candidate.name);
    listed +=
        (listed.empty() ? "" : ", ") + std::string(candidate.name) + (*candidate.value ? ":" : "") + candidate.value;
    if (name == candidate.name) form = &candidate;
  }
  require(form, kDecode, "expected one of ", listed, " but got '", text, "'", did_you_mean(name, names));
  Strategy out = usual(form->kind);
  const std::vector<Setting> settings = settings_of(form->kind);
  std::vector<std::string> parts;
  if (colon != text.npos) parts = split(text.substr(colon + 1), ',');
  if (*form->value) {
    require(!parts.empty() && parts[0].find('=') == std::string::npos, kDecode, "expected '", form->name, ":",
            form->value, "' but got '", text, "'");
    read_value(out, settings[0], parts[0], text);
    parts.erase(parts.begin());
  }
  std::map<std::string, bool> given;
  for (const std::string& part : parts) {
    const size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const Setting* found = nullptr;
    std::vector<std::string> keys;
    for (size_t i = *form->value ? 1 : 0; i < settings.size(); ++i) {
      keys.push_back(settings[i].name);
      if (settings[i].name == key) found = &settings[i];
    }
    require(found && equals != part.npos && !given[key], kDecode, "expected settings NAME=VALUE of '", form->name,
            "', each once, but got '", part, "' in '", text, "'", did_you_mean(key, keys));
    given[key] = true;
    read_value(out, *found, part.substr(equals + 1), text);
  }
  // Samples that differ by their noise need no other draws.
  if (form->kind != StrategyKind::noise && out.noise > 0 && !given["temperature"]) out.sampling.temperature = 0;
  return out;
}

std::string to_text(const Strategy& strategy) {
  const Form& form = form_of(strategy.kind);
  const std::vector<Setting> settings = settings_of(strategy.kind);
  Strategy plain = usual(strategy.kind);
  if (strategy.kind != StrategyKind::noise && strategy.noise > 0) plain.sampling.temperature = 0;
  std::string out;
  for (size_t i = 0; i < settings.size(); ++i) {
    const Setting& setting = settings[i];
    const double value = setting.get(strategy);
    const bool bare = i == 0 && *form.value;
    if (!bare && value == setting.get(plain)) continue;
    const std::string text = setting.words.empty() ? number_text(value) : setting.words.at(static_cast<size_t>(value));
    out += (out.empty() ? ":" : ",") + (bare ? text : setting.name + "=" + text);
  }
  return form.name + out;
}

void require_strategy(const Strategy& strategy, const ModelConfig& config, const Procedure& procedure) {
  if (strategy.kind == StrategyKind::greedy) return;
  const std::string text = to_text(strategy);
  require_sampling(strategy.sampling, kDecode);
  require(strategy.by_rows() || !procedure.reads_at_once(config), kDecode, "expected greedy decoding or samples of ",
          procedure.reader(config), ", which reads its input at once, but got '", text, "'");
  require(strategy.samples >= 1 && strategy.samples <= kMostSamples, kDecode, "expected 1 to ", kMostSamples,
          " samples but got ", strategy.samples);
  const SamplingOptions& draws = strategy.sampling;
  const bool cuts = draws.top_k > 0 || draws.top_p < 1 || draws.min_p > 0;
  require(!cuts || draws.temperature > 0, kDecode,
          "expected a temperature above 0 beside top-k, top-p or min-p but got '", text, "'");
  const bool words = procedure.in_words && procedure.max_thoughts() > 0;
  const bool draws_words = draws.temperature > 0 || strategy.kind == StrategyKind::best;
  require(!words || !draws_words || words_can_be_drawn(procedure), kDecode,
          "expected a method that writes the likeliest word, so that words can be drawn instead, for '", text,
          "' but got '", procedure.method, "', which chooses them by a rule of its own",
          strategy.kind == StrategyKind::best ? "" : "; 'temperature=0' leaves them to it");
  const bool vectors = !procedure.in_words && procedure.max_thoughts() > 0;
  require(strategy.noise == 0 || vectors, kDecode, "expected a method that thinks in vectors for '", text,
          "' but got '", procedure.method, "'");
  require(strategy.kind != StrategyKind::contrast || procedure.max_thoughts() > 0, kDecode,
          "expected a method that takes thoughts for '", text, "' but got '", procedure.method, "'");
  require(strategy.kind != StrategyKind::contrast || strategy.contrast.thoughts < procedure.max_thoughts(), kDecode,
          "expected fewer thoughts of the other side than the method's ", procedure.max_thoughts(), " but got '", text,
          "'");
  if (strategy.kind != StrategyKind::tree) return;
  require(vectors && !procedure.parallel && !leaves_early(config, procedure.exit), kDecode,
          "expected a method that takes one vector after the other for '", text, "' but got '", procedure.method, "'");
  require(strategy.tree.width * strategy.tree.branch <= kMostSamples, kDecode, "expected at most ", kMostSamples,
          " branches in all but got '", text, "'");
}

}  // namespace tacit
