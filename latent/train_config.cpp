#include <algorithm>
#include <cmath>

#include "latent/train_method.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

Json default_model(const ReachOptions& reach) {
  return {{"model_type", "tacit"},    {"vocab_size", static_cast<int64_t>(reach_vocabulary(reach.labels).size())},
          {"hidden_size", 128},       {"intermediate_size", 256},
          {"num_hidden_layers", 2},   {"num_attention_heads", 2},
          {"num_key_value_heads", 2}, {"max_position_embeddings", 512},
          {"rope_theta", 10000.0},    {"rms_norm_eps", 1e-5},
          {"hidden_act", "silu"},     {"tie_word_embeddings", true},
          {"rotary_fraction", 0.25},  {"embedding_scale", 10.0},
          {"smeared_keys", true}};
}

// A field that would do nothing is refused: a recipe must not say what is not done.
void only_for(bool allowed, const JsonReader& in, std::initializer_list<const char*> fields, const std::string& whose) {
  for (const char* field : fields) {
    if (!allowed && in.has(field)) in.reject(field, "to be absent: it belongs to " + whose);
  }
}

ReachOptions read_reach(const JsonReader& in, ReachOptions r) {
  in.only({"kind", "min_nodes", "max_nodes", "edges_per_node", "min_depth", "max_depth", "acyclic", "balance_in_degree",
           "style", "labels"});
  const std::string kind = in.string("kind", r.graph.kind == GraphKind::prosqa ? "prosqa" : "random");
  if (kind != "prosqa" && kind != "random") in.reject("kind", "to be prosqa or random");
  r.graph.kind = kind == "prosqa" ? GraphKind::prosqa : GraphKind::random;
  only_for(r.graph.kind == GraphKind::random, in, {"edges_per_node", "acyclic"}, "kind random");
  r.graph.min_nodes = in.integer("min_nodes", r.graph.min_nodes);
  r.graph.max_nodes = in.integer("max_nodes", r.graph.max_nodes);
  r.graph.edges_per_node = in.number("edges_per_node", r.graph.edges_per_node);
  r.graph.min_depth = in.integer("min_depth", r.graph.min_depth);
  r.graph.max_depth = in.integer("max_depth", r.graph.max_depth);
  r.graph.acyclic = in.boolean("acyclic", r.graph.acyclic);
  r.graph.balance_in_degree = in.boolean("balance_in_degree", r.graph.balance_in_degree);
  const std::string style = in.string("style", r.style == ReachStyle::symbols ? "symbols" : "english");
  if (style != "symbols") in.reject("style", "to be symbols (the trainer's vocabulary)");
  r.labels = in.has("labels") ? in.integer_in("labels", 2, kMostLabels) : r.labels;
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

double number_from(const JsonReader& in, const char* field, double fallback, double low) {
  const double value = in.number(field, fallback);
  if (!(value >= low) || !std::isfinite(value)) in.reject(field, "to be at least " + Json(low).dump());
  return value;
}

int64_t integer_from(const JsonReader& in, const char* field, int64_t fallback, int64_t low) {
  const int64_t value = in.integer(field, fallback);
  if (value < low) in.reject(field, "to be at least " + std::to_string(low));
  return value;
}

int64_t count_from(const JsonReader& in, const char* field, int64_t fallback, int64_t low) {
  return in.has(field) ? in.integer_in(field, low, kMostThoughts) : fallback;
}

double share_from(const JsonReader& in, const char* field, double fallback, bool one = true) {
  const double value = in.number(field, fallback);
  if (!(value >= 0 && (one ? value <= 1 : value < 1)))
    in.reject(field, one ? "to lie in 0..1" : "to lie in 0..1, 1 excluded");
  return value;
}

void read_trainer(const JsonReader& in, TrainerOptions& t) {
  t.learning_rate = number_from(in, "learning_rate", t.learning_rate, 0);
  t.adamw.beta1 = share_from(in, "beta1", t.adamw.beta1, false);
  t.adamw.beta2 = share_from(in, "beta2", t.adamw.beta2, false);
  t.adamw.weight_decay = number_from(in, "weight_decay", t.adamw.weight_decay, 0);
  t.schedule.steps = integer_from(in, "steps", t.schedule.steps, 1);
  t.schedule.warmup_steps = integer_from(in, "warmup_steps", t.schedule.warmup_steps, 0);
  t.schedule.decay_fraction = share_from(in, "decay_fraction", t.schedule.decay_fraction);
  t.schedule.final_ratio = share_from(in, "final_ratio", t.schedule.final_ratio);
  t.clip = number_from(in, "clip", t.clip, 0);
  t.accumulate = integer_from(in, "accumulate", t.accumulate, 1);
  t.bf16 = in.boolean("bf16", t.bf16);
  t.checkpoint_every = integer_from(in, "checkpoint_every", t.checkpoint_every, 1);
  t.validate_every = integer_from(in, "validate_every", t.validate_every, 0);
}

bool has_stages(const Method& how, int64_t latents) { return how.stages && how.stages(latents) > 1; }

// train.json holds these two whatever the method: one that does not read them leaves them as they are by default.
void only_default_for(bool allowed, const JsonReader& in, const char* field, const Json& fallback,
                      const std::string& whose) {
  if (!allowed && in.has(field) && in.json().at(field) != fallback) {
    in.reject(field, "to be absent, or " + fallback.dump() + ": it belongs to " + whose);
  }
}

// Fields that another method would take.
void refuse_foreign(const JsonReader& in, const Method& how, int64_t latents) {
  only_for(how.name == "frontier", in, {"frontier", "teacher_forcing", "through_thoughts", "least_latents"},
           "method frontier");
  only_default_for(how.counts_thoughts, in, "latents", TrainConfig().latents, "methods with a number of thoughts");
  only_default_for(how.name == "frontier", in, "thought_weight", TrainConfig().thought_weight, "method frontier");
  only_for(how.counts_thoughts, in, {"recompute"}, "methods with a number of thoughts");
  only_for(how.name == "walk", in, {"walk_length", "walk_question"}, "method walk");
  only_for(has_stages(how, latents), in, {"curriculum_fraction", "reset_optimizer"}, "methods with a curriculum");
  only_for(!in.has("init"), in, {"model", "matched_attention"}, "a start from random weights, not from 'init'");
}

// The sizes of the graphs, of which walks without a question take no depth.
void read_data(const JsonReader& in, TrainConfig& c) {
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

Json usual_model(const Method& how, const ReachOptions& reach) {
  return how.model ? how.model(default_model(reach)) : default_model(reach);
}

// A fresh model: the defaults of family tacit, changed as given; another family's config stands for itself.
Json read_model(const JsonReader& in, const Method& how, const ReachOptions& reach) {
  static const std::vector<std::string> without_default = {"head_dim",    "rope_parameters", "rope_scaling",
                                                           "layer_types", "sliding_window",  "rwkv7_low_rank"};
  Json model = usual_model(how, reach);
  if (in.string("model_type", "tacit") != "tacit" || model.at("model_type") != "tacit") return in.json();
  for (const auto& [name, value] : in.json().items()) {
    if (!model.contains(name) && std::ranges::find(without_default, name) == without_default.end()) {
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
  c.model = usual_model(tacit::method(method), c.reach);
  c.options = tacit::method(method).options;
  c.trainer.validate_every = 100;
  if (method == "frontier") {  // the recipe of configs/frontier.json
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
  in.only({"method",
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
           "learning_rate",
           "beta1",
           "beta2",
           "weight_decay",
           "steps",
           "warmup_steps",
           "decay_fraction",
           "final_ratio",
           "clip",
           "accumulate",
           "bf16",
           "checkpoint_every",
           "validate_every"});
  TrainConfig c = default_train_config(in.string("method", "frontier"));
  const Method& how = method(c.method);
  c.task = in.string("task", c.task);
  if (c.task != "reach") in.reject("task", "to be reach (the task that can be generated without end)");
  c.seed = static_cast<uint64_t>(integer_from(in, "seed", static_cast<int64_t>(c.seed), 0));
  c.batch = integer_from(in, "batch", c.batch, 1);
  c.latents = count_from(in, "latents", c.latents, 0);
  c.options = method_options(how, in.has("options") ? in.object("options").json() : Json::object(), source);
  refuse_foreign(in, how, c.latents);
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
  c.model = in.has("model") ? read_model(in.object("model"), how, c.reach) : usual_model(how, c.reach);
  read_trainer(in, c.trainer);
  return c;
}

OrderedJson to_json(const TrainConfig& c) {
  const TrainerOptions& t = c.trainer;
  OrderedJson out = {{"method", c.method},   {"task", c.task},
                     {"seed", c.seed},       {"steps", t.schedule.steps},
                     {"batch", c.batch},     {"accumulate", t.accumulate},
                     {"latents", c.latents}, {"thought_weight", c.thought_weight}};
  if (!c.options.empty()) out["options"] = c.options;
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
  if (has_stages(method(c.method), c.latents)) {
    out["curriculum_fraction"] = c.curriculum_fraction;
    out["reset_optimizer"] = c.reset_optimizer;
  }
  if (!c.init.empty()) out["init"] = c.init.string();
  if (c.init.empty()) out["matched_attention"] = c.matched_attention, out["model"] = c.model;
  out["reach"] = reach_json(c);
  out["growth"] = growth_json(c);
  out["learning_rate"] = t.learning_rate;
  out["beta1"] = t.adamw.beta1;
  out["beta2"] = t.adamw.beta2;
  out["weight_decay"] = t.adamw.weight_decay;
  out["warmup_steps"] = t.schedule.warmup_steps;
  out["decay_fraction"] = t.schedule.decay_fraction;
  out["final_ratio"] = t.schedule.final_ratio;
  out["clip"] = t.clip;
  out["bf16"] = t.bf16;
  out["checkpoint_every"] = t.checkpoint_every;
  out["validate_every"] = t.validate_every;
  return out;
}

}  // namespace tacit
