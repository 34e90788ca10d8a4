#include "latent/method.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "datasets/reach.h"
#include "latent/methods/methods.h"
#include "latent/thought_head.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

struct Registry {
  std::mutex mutex;
  std::deque<Method> methods;  // a deque, so that references stay valid as it grows
};

Registry& registry() {
  static Registry* all = [] {
    auto* made = new Registry;
    for (Method& m : built_in_methods()) made->methods.push_back(std::move(m));
    return made;
  }();
  return *all;
}

}  // namespace

const Json& MethodContext::option(const char* name) const {
  const auto found = settings.options.find(name);
  require(found != settings.options.end(), "method", "expected an option of method '", settings.method, "' but got '",
          name, "'");
  return *found;
}

const at::Tensor& MethodContext::weight(const std::string& name) const { return own_weight(weights, name); }

void register_method(Method method) {
  require(!method.name.empty() && method.name != "latent", "register_method",
          "expected a name, and not 'latent', which means the checkpoint's own method, but got '", method.name, "'");
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  for (const Method& m : all.methods) {
    require(m.name != method.name, "register_method", "expected a new name but '", method.name, "' is taken");
  }
  all.methods.push_back(std::move(method));
}

std::vector<std::string> method_names() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<std::string> names;
  for (const Method& m : all.methods) names.push_back(m.name);
  return names;
}

const Method& method(const std::string& name, const MethodSettings& settings) {
  const std::string wanted = name == "latent" ? settings.method : name;
  require(!wanted.empty(), "method",
          "expected a checkpoint whose config.json names a method for 'latent'; name one with --method");
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    for (const Method& m : all.methods) {
      if (m.name == wanted) return m;
    }
  }
  std::string known;
  for (const std::string& n : method_names()) known += (known.empty() ? "" : ", ") + n;
  fail("method", "expected one of ", known, " but got '", wanted, "'", did_you_mean(wanted, method_names()));
}

Json method_options(const Method& method, const Json& given, const std::string& source) {
  require(given.is_object(), "read_config", "expected an object of options for method '", method.name, "' but got ",
          given.type_name(), " in ", source);
  Json out = method.options;
  std::vector<std::string> names;
  for (const auto& [name, value] : out.items()) names.push_back(name);
  for (const auto& [name, value] : given.items()) {
    require(out.contains(name), "read_config", "expected an option of method '", method.name, "' but got '", name,
            "' in ", source, names.empty() ? "; it has none" : did_you_mean(name, names));
    Json& slot = out[name];
    const bool fits = slot.is_number_float()
                          ? value.is_number()
                          : (slot.is_number_integer() ? value.is_number_integer() : value.type() == slot.type());
    require(fits, "read_config", "expected '", name, "' to be like ", slot.dump(), " but got ", value.dump(), " in ",
            source);
    slot = slot.is_number_float() ? Json(value.get<double>()) : value;
  }
  if (method.check_options) method.check_options(out, source);
  return out;
}

int64_t stages_of(const Method& method, int64_t latents, const Json& options) {
  if (method.stages_of_options) return method.stages_of_options(options);
  return method.stages ? method.stages(latents) : 1;
}

LatentLoss LossByOptions::operator()(const LossContext& c) const {
  return of_rows(c.context.settings.options) ? latent_loss(c.model, c.rows, c.options) : otherwise(c);
}

bool loss_is_of_rows(const Method& method, const Json& options) {
  if (!method.loss) return true;
  const auto* by_options = method.loss.target<LossByOptions>();
  return by_options && by_options->of_rows(options);
}

Procedure bind_method(const Method& method, const MethodSettings& settings, const Tokenizer* tokenizer, int64_t latents,
                      const MethodWeights& weights, const Json& options) {
  require(static_cast<bool>(method.procedure), "method", "expected a method that answers questions but '", method.name,
          "' is a training objective only");
  require(latents < 0 || method.counts_thoughts, "method", "expected no number of thoughts for '", method.name,
          "', which takes none, but got ", latents);
  require(latents <= kMostThoughts, "method", "expected at most ", kMostThoughts, " thoughts but got ", latents);
  MethodSettings complete = settings;
  // What the checkpoint of another method says does not speak of this one.
  if (settings.method != method.name) complete.options = Json::object();
  for (const auto& [name, value] : options.items()) complete.options[name] = value;
  complete.options = method_options(method, complete.options, "the options of method '" + method.name + "'");
  Procedure out = method.procedure({complete, tokenizer, latents < 0 ? settings.latents : latents, weights});
  out.method = method.name;
  out.options = complete.options;
  return out;
}

MethodSettings read_method_settings(const Json& config, const std::string& source) {
  MethodSettings s;
  const JsonReader root(config, "read_config", source);
  if (!root.has("tacit")) return s;
  const JsonReader in = root.object("tacit");
  in.only({"method", "latents", "max_words", "task", "style", "labels", "frontier", "markers", "options", "generator"});
  s.method = in.string("method", "");
  s.latents = in.has("latents") ? in.integer_in("latents", 0, kMostThoughts) : s.latents;
  s.max_words = in.has("max_words") ? in.integer_in("max_words", 0, kMostThoughts) : s.max_words;
  s.task = in.string("task", "");
  s.style = in.string("style", "");
  s.labels = in.has("labels") ? in.integer_in("labels", 2, kMostLabels) : s.labels;
  if (in.has("options")) s.options = in.object("options").json();
  if (in.has("generator")) s.generator = in.object("generator").json();
  s.frontier = in.string("frontier", s.frontier);
  if (s.frontier != "level" && s.frontier != "explored") in.reject("frontier", "to be level or explored");
  if (in.has("markers")) {
    const JsonReader markers = in.object("markers");
    markers.only({"think", "answer", "pause", "end"});
    s.markers = {markers.string("think", ""), markers.string("answer", ""), markers.string("pause", ""),
                 markers.string("end", "")};
  }
  return s;
}

OrderedJson to_json(const MethodSettings& s) {
  OrderedJson out = {
      {"method", s.method},
      {"latents", s.latents},
      {"max_words", s.max_words},
      {"task", s.task},
      {"style", s.style},
      {"labels", s.labels},
      {"frontier", s.frontier},
      {"markers",
       {{"think", s.markers.think}, {"answer", s.markers.answer}, {"pause", s.markers.pause}, {"end", s.markers.end}}}};
  if (!s.options.empty()) out["options"] = s.options;
  if (!s.generator.is_null()) out["generator"] = s.generator;
  return out;
}

}  // namespace tacit
