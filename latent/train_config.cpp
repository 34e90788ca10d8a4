#include <algorithm>
#include <cmath>

#include "datasets/generators.h"
#include "latent/recipe_fields.h"
#include "latent/train_data.h"
#include "latent/train_method.h"
#include "latent/trainer_config.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

int64_t vocabulary_of(const TrainConfig& c) {
  if (c.task == "reach") return std::ssize(reach_vocabulary(c.reach.labels));
  return std::ssize(open_generator(c.task, c.generator, "the recipe").vocabulary);
}

Json default_model(int64_t vocabulary) {
  return {{"model_type", "tacit"},    {"vocab_size", vocabulary},       {"hidden_size", 128},
          {"intermediate_size", 256}, {"num_hidden_layers", 2},         {"num_attention_heads", 2},
          {"num_key_value_heads", 2}, {"max_position_embeddings", 512}, {"rope_theta", 10000.0},
          {"rms_norm_eps", 1e-5},     {"hidden_act", "silu"},           {"tie_word_embeddings", true},
          {"rotary_fraction", 0.25},  {"embedding_scale", 10.0},        {"smeared_keys", true}};
}

ReachOptions read_reach(const JsonReader& in, const ReachOptions& fallback) {
  const ReachOptions r = read_reach_options(in, fallback);
  if (r.style != ReachStyle::symbols) in.reject("style", "to be symbols (the trainer's vocabulary)");
  return r;
}

Growth read_growth(const JsonReader& in, Growth g) {
  in.only({"fraction", "min_nodes", "max_nodes", "min_depth", "max_depth"});
  g.fraction = in.number("fraction", g.fraction);
  if (!(g.fraction >= 0 && g.fraction <= 1)) in.reject("fraction", "to lie in 0..1");
  only_for(g.fraction > 0, in, {"min_nodes", "max_nodes", "min_depth", "max_depth"}, "a fraction above 0");
  g.min_nodes = in.integer("min_nodes", g.min_nodes);
  g.max_nodes = in.integer("max_nodes", g.max_nodes);
  g.min_depth = in.integer("min_depth", g.min_depth);
  g.max_depth = in.integer("max_depth", g.max_depth);
  return g;
}

// Whether the training data ask a question: a walk without one has no target, and so no depth.
bool asks(const TrainConfig& c) { return c.method != "walk" || c.walk_question; }

OrderedJson growth_json(const TrainConfig& c) {
  const Growth& g = c.growth;
  OrderedJson out = {{"fraction", g.fraction}};
  if (g.fraction == 0) return out;
  out.update({{"min_nodes", g.min_nodes}, {"max_nodes", g.max_nodes}});
  if (asks(c)) out.update({{"min_depth", g.min_depth}, {"max_depth", g.max_depth}});
  return out;
}

OrderedJson reach_json(const TrainConfig& c) {
  const GraphOptions& g = c.reach.graph;
  OrderedJson out = {{"kind", g.kind == GraphKind::prosqa ? "prosqa" : "random"},
                     {"min_nodes", g.min_nodes},
                     {"max_nodes", g.max_nodes}};
  if (g.kind == GraphKind::random) out.update({{"edges_per_node", g.edges_per_node}, {"acyclic", g.acyclic}});
  if (asks(c)) {
    out.update({{"min_depth", g.min_depth}, {"max_depth", g.max_depth}, {"balance_in_degree", g.balance_in_degree}});
  }
  out.update({{"style", "symbols"}, {"labels", c.reach.labels}});
  return out;
}

void write_data(const TrainConfig& c, OrderedJson& out) {
  if (c.task == "reach") {
    out["reach"] = reach_json(c);
    out["growth"] = growth_json(c);
  }
  if (!c.generator.is_null()) out["generator"] = c.generator;
  if (!c.data.empty()) out["data"] = c.data.string();
  if (!c.validation_data.empty()) out["validation_data"] = c.validation_data.string();
  if (!c.tokenizer.empty()) out["tokenizer"] = c.tokenizer.string();
  if (!c.add_tokens.empty()) out["add_tokens"] = c.add_tokens;
  if (!c.markers.empty()) out["markers"] = c.markers;
}

int64_t count_from(const JsonReader& in, const char* field, int64_t fallback, int64_t low) {
  return in.has(field) ? in.integer_in(field, low, kMostThoughts) : fallback;
}

bool has_stages(const Method& how, const TrainConfig& c) { return stages_of(how, c.latents, c.options) > 1; }

// train.json holds these two whatever the method: one that does not read them leaves them as they are by default.
void only_default_for(bool allowed, const JsonReader& in, const char* field, const Json& fallback,
                      const std::string& whose) {
  if (!allowed && in.has(field) && in.json().at(field) != fallback) {
    in.reject(field, "to be absent, or the default " + fallback.dump() + ": it belongs to " + whose);
  }
}

// Fields that another method would take.
void refuse_foreign(const JsonReader& in, const Method& how, const TrainConfig& c) {
  only_for(how.name == "frontier", in, {"frontier", "teacher_forcing", "through_thoughts", "least_latents"},
           "method frontier");
  only_default_for(how.counts_thoughts, in, "latents", TrainConfig().latents, "methods with a number of thoughts");
  only_default_for(how.name == "frontier", in, "thought_weight", TrainConfig().thought_weight, "method frontier");
  only_for(how.counts_thoughts, in, {"recompute"}, "methods with a number of thoughts");
  only_for(how.name == "walk", in, {"walk_length", "walk_question"}, "method walk");
  only_for(has_stages(how, c), in, {"curriculum_fraction", "reset_optimizer"}, "methods with a curriculum");
  only_for(!how.check_start, in, {"lora", "recompute"}, "methods that train the model");
  only_for(!in.has("init"), in, {"model", "matched_attention"}, "a start from random weights, not from 'init'");
}

// A file and the tokens of its text.
void read_file_fields(const JsonReader& in, TrainConfig& c) {
  c.data = in.string("data", "");
  if (c.data.empty()) in.reject("data", "to be the file of task " + c.task);
  c.validation_data = in.string("validation_data", "");
  c.tokenizer = in.string("tokenizer", "");
  if (in.has("tokenizer") == in.has("init")) {
    in.reject("tokenizer", in.has("init") ? "to be absent: 'init' has its own"
                                          : "to be a folder with a tokenizer, or 'init' a checkpoint");
  }
  if (in.has("add_tokens")) c.add_tokens = in.strings("add_tokens");
  for (const std::string& token : c.add_tokens) {
    if (token.empty() || std::ranges::count(c.add_tokens, token) > 1)
      in.reject("add_tokens", "to hold different tokens");
  }
  if (!in.has("markers")) return;
  const JsonReader markers = in.object("markers");
  markers.only({"think", "answer", "pause", "end"});
  for (const auto& [name, marker] : markers.json().items()) c.markers[name] = markers.string(name);
}

// What the task is made of. Of the sizes of the graphs walks without a question take no depth.
void read_data(const JsonReader& in, TrainConfig& c) {
  const bool file = is_file_task(c.task);
  only_for(file, in, {"data", "validation_data", "tokenizer", "add_tokens", "markers"}, "tasks prosqa and gsm8k_aug");
  only_for(c.task == "reach", in, {"reach", "growth"}, "task reach");
  only_for(!file && c.task != "reach", in, {"generator"},
           "the generated tasks other than reach, whose sizes stand in 'reach'");
  if (file) return read_file_fields(in, c);
  if (c.task != "reach") {
    const Json given = in.has("generator") ? in.object("generator").json() : Json::object();
    c.generator = Json::parse(open_generator(c.task, given, "'generator'").options.dump());
  }
  const std::string whose = "walks with a question";
  if (in.has("reach")) {
    const JsonReader reach = in.object("reach");
    only_for(asks(c), reach, {"min_depth", "max_depth", "balance_in_degree"}, whose);
    c.reach = read_reach(reach, c.reach);
  }
  if (in.has("growth")) {
    const JsonReader growth = in.object("growth");
    only_for(asks(c), growth, {"min_depth", "max_depth"}, whose);
    c.growth = read_growth(growth, c.growth);
  }
}

Json usual_model(const Method& how, int64_t vocabulary, const Json& options) {
  return how.model ? how.model(default_model(vocabulary), options) : default_model(vocabulary);
}

// A fresh model: the method's usual one, changed as given; another family's config stands for itself. Fields of family
// tacit are known by name.
Json read_model(const JsonReader& in, const Method& how, const TrainConfig& c) {
  static const std::vector<std::string> without_default = {"head_dim",    "rope_parameters", "rope_scaling",
                                                           "layer_types", "sliding_window",  "rwkv7_low_rank"};
  Json model = usual_model(how, is_file_task(c.task) ? in.integer("vocab_size") : vocabulary_of(c), c.options);
  const std::string family = model.at("model_type");
  if (in.string("model_type", family) != family) return in.json();
  const bool of_tacit = model.value("base_model_type", family) == "tacit";
  for (const auto& [name, value] : in.json().items()) {
    if (of_tacit && !model.contains(name) && std::ranges::find(without_default, name) == without_default.end()) {
      in.reject(name, "to be a field of family tacit's config");
    }
    model[name] = value;
  }
  return model;
}

}  // namespace

TrainConfig default_train_config(const std::string& method) {
  TrainConfig c;
  c.method = method;
  c.model = usual_model(tacit::method(method), vocabulary_of(c), tacit::method(method).options);
  c.options = tacit::method(method).options;
  c.trainer.validate_every = 100;
  c.reset_optimizer = method == "icot";  // as its original does at every removal
  if (method == "frontier") {            // the recipe of configs/frontier.json
    c.frontier = "explored";
    c.through_thoughts = false;
    c.teacher_forcing = 0.4;
    c.thought_weight = 10;
  }
  return c;
}

TrainConfig train_config_from_json(const Json& json, const std::string& source) {
  require(json.is_object(), "read_config", "expected a JSON object but got ", json.type_name(), " in ", source);
  const JsonReader in(json, "read_config", source);
  std::vector<std::string> known_fields = {"method",
                                           "task",
                                           "seed",
                                           "batch",
                                           "latents",
                                           "options",
                                           "thought_weight",
                                           "frontier",
                                           "through_thoughts",
                                           "recompute",
                                           "teacher_forcing",
                                           "least_latents",
                                           "walk_length",
                                           "walk_question",
                                           "curriculum_fraction",
                                           "reset_optimizer",
                                           "init",
                                           "matched_attention",
                                           "model",
                                           "reach",
                                           "growth",
                                           "generator",
                                           "data",
                                           "validation_data",
                                           "tokenizer",
                                           "add_tokens",
                                           "markers"};
  known_fields.insert(known_fields.end(), trainer_fields().begin(), trainer_fields().end());
  in.only(known_fields);
  TrainConfig c = default_train_config(in.string("method", "frontier"));
  const Method& how = method(c.method);
  c.task = in.string("task", c.task);
  if (!is_generated(c.task) && !is_file_task(c.task)) {
    std::vector<std::string> known = generated_task_names();
    known.insert(known.end(), {"prosqa", "gsm8k_aug"});
    std::string listed;
    for (const std::string& name : known) listed += (listed.empty() ? "" : ", ") + name;
    in.reject("task", "to be one of " + listed);
  }
  c.seed = static_cast<uint64_t>(integer_from(in, "seed", static_cast<int64_t>(c.seed), 0));
  c.batch = integer_from(in, "batch", c.batch, 1);
  c.latents = count_from(in, "latents", c.latents, 0);
  c.options = method_options(how, in.has("options") ? in.object("options").json() : Json::object(), source);
  refuse_foreign(in, how, c);
  c.thought_weight = number_from(in, "thought_weight", c.thought_weight, 0);
  c.frontier = in.string("frontier", c.frontier);
  if (c.frontier != "level" && c.frontier != "explored") in.reject("frontier", "to be level or explored");
  c.through_thoughts = in.boolean("through_thoughts", c.through_thoughts);
  if (c.frontier == "level" || c.through_thoughts) c.teacher_forcing = 0;  // unless it is asked for, which is refused
  c.teacher_forcing = share_from(in, "teacher_forcing", c.teacher_forcing);
  if (c.teacher_forcing > 0 && c.frontier != "explored") {
    in.reject("teacher_forcing", "to be 0 unless frontier is explored (an ideal thought needs a target)");
  }
  if (c.teacher_forcing > 0 && c.through_thoughts) in.reject("through_thoughts", "to be false under teacher forcing");
  c.least_latents = count_from(in, "least_latents", c.least_latents, 0);
  if (c.least_latents > c.latents) in.reject("least_latents", "to be at most latents");
  c.recompute = in.boolean("recompute", c.recompute);
  c.walk_length = count_from(in, "walk_length", c.walk_length, 1);
  c.walk_question = in.boolean("walk_question", c.walk_question);
  c.curriculum_fraction = share_from(in, "curriculum_fraction", c.curriculum_fraction, false);
  c.reset_optimizer = in.boolean("reset_optimizer", c.reset_optimizer);
  c.init = in.string("init", "");
  c.matched_attention = in.boolean("matched_attention", c.matched_attention);
  read_data(in, c);
  if (in.has("model")) {
    c.model = read_model(in.object("model"), how, c);
  } else if (!is_file_task(c.task)) {
    c.model = usual_model(how, vocabulary_of(c), c.options);
  } else if (c.init.empty()) {
    in.reject("model", "to be a config.json, or 'init' a checkpoint: task " + c.task + " has no model of its own");
  }
  const bool validates = !is_file_task(c.task) || !c.validation_data.empty();
  if (!validates) {
    c.trainer.validate_every = 0;
    only_for(in.integer("validate_every", 0) == 0, in, {"validate_every"}, "file tasks with 'validation_data'");
  }
  read_trainer(in, c.seed, c.trainer);
  return c;
}

OrderedJson to_json(const TrainConfig& c) {
  const TrainerOptions& t = c.trainer;
  OrderedJson out = {{"method", c.method},   {"task", c.task},
                     {"seed", c.seed},       {"steps", t.schedule.steps},
                     {"batch", c.batch},     {"accumulate", t.accumulate},
                     {"latents", c.latents}, {"thought_weight", c.thought_weight}};
  if (c.options != method(c.method).options) out["options"] = c.options;  // all of them, once one is chosen
  if (c.method == "frontier") {
    out["frontier"] = c.frontier;
    out["through_thoughts"] = c.through_thoughts;
    out["teacher_forcing"] = c.teacher_forcing;
    if (c.least_latents > 0) out["least_latents"] = c.least_latents;
  }
  if (c.recompute) out["recompute"] = true;
  if (c.method == "walk") {
    out["walk_length"] = c.walk_length;
    out["walk_question"] = c.walk_question;
  }
  if (has_stages(method(c.method), c)) {
    out["curriculum_fraction"] = c.curriculum_fraction;
    out["reset_optimizer"] = c.reset_optimizer;
  }
  if (!c.init.empty()) out["init"] = c.init.string();
  if (c.init.empty()) out["matched_attention"] = c.matched_attention, out["model"] = c.model;
  write_data(c, out);
  put_trainer(t, out);
  return out;
}

}  // namespace tacit
