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

ReachOptions read_reach(const JsonReader& in, ReachOptions r) {
  in.only({"kind", "min_nodes", "max_nodes", "edges_per_node", "min_depth", "max_depth", "acyclic", "balance_in_degree",
           "style", "labels"});
  const std::string kind = in.string("kind", r.graph.kind == GraphKind::prosqa ? "prosqa" : "random");
  if (kind != "prosqa" && kind != "random") in.reject("kind", "to be prosqa or random");
  r.graph.kind = kind == "prosqa" ? GraphKind::prosqa : GraphKind::random;
  r.graph.min_nodes = in.integer("min_nodes", r.graph.min_nodes);
  r.graph.max_nodes = in.integer("max_nodes", r.graph.max_nodes);
  r.graph.edges_per_node = in.number("edges_per_node", r.graph.edges_per_node);
  r.graph.min_depth = in.integer("min_depth", r.graph.min_depth);
  r.graph.max_depth = in.integer("max_depth", r.graph.max_depth);
  r.graph.acyclic = in.boolean("acyclic", r.graph.acyclic);
  r.graph.balance_in_degree = in.boolean("balance_in_degree", r.graph.balance_in_degree);
  const std::string style = in.string("style", r.style == ReachStyle::symbols ? "symbols" : "english");
  if (style != "symbols") in.reject("style", "to be symbols (the trainer's vocabulary)");
  r.labels = in.integer("labels", r.labels);
  return r;
}

Growth read_growth(const JsonReader& in, Growth g) {
  in.only({"fraction", "min_nodes", "max_nodes", "min_depth", "max_depth"});
  g.fraction = in.number("fraction", g.fraction);
  if (!(g.fraction >= 0 && g.fraction <= 1)) in.reject("fraction", "to lie in 0..1");
  g.min_nodes = in.integer("min_nodes", g.min_nodes);
  g.max_nodes = in.integer("max_nodes", g.max_nodes);
  g.min_depth = in.integer("min_depth", g.min_depth);
  g.max_depth = in.integer("max_depth", g.max_depth);
  return g;
}

OrderedJson to_json(const Growth& g) {
  return {{"fraction", g.fraction},
          {"min_nodes", g.min_nodes},
          {"max_nodes", g.max_nodes},
          {"min_depth", g.min_depth},
          {"max_depth", g.max_depth}};
}

OrderedJson to_json(const ReachOptions& r) {
  return {{"kind", r.graph.kind == GraphKind::prosqa ? "prosqa" : "random"},
          {"min_nodes", r.graph.min_nodes},
          {"max_nodes", r.graph.max_nodes},
          {"edges_per_node", r.graph.edges_per_node},
          {"min_depth", r.graph.min_depth},
          {"max_depth", r.graph.max_depth},
          {"acyclic", r.graph.acyclic},
          {"balance_in_degree", r.graph.balance_in_degree},
          {"style", "symbols"},
          {"labels", r.labels}};
}

void read_trainer(const JsonReader& in, TrainerOptions& t) {
  t.learning_rate = in.number("learning_rate", t.learning_rate);
  t.adamw.beta1 = in.number("beta1", t.adamw.beta1);
  t.adamw.beta2 = in.number("beta2", t.adamw.beta2);
  t.adamw.weight_decay = in.number("weight_decay", t.adamw.weight_decay);
  t.schedule.steps = in.integer("steps", t.schedule.steps);
  if (t.schedule.steps < 1) in.reject("steps", "to be at least 1");
  t.schedule.warmup_steps = in.integer("warmup_steps", t.schedule.warmup_steps);
  t.schedule.decay_fraction = in.number("decay_fraction", t.schedule.decay_fraction);
  t.schedule.final_ratio = in.number("final_ratio", t.schedule.final_ratio);
  t.clip = in.number("clip", t.clip);
  t.accumulate = in.integer("accumulate", t.accumulate);
  if (t.accumulate < 1) in.reject("accumulate", "to be at least 1");
  t.bf16 = in.boolean("bf16", t.bf16);
  t.checkpoint_every = in.integer("checkpoint_every", t.checkpoint_every);
  if (t.checkpoint_every < 1) in.reject("checkpoint_every", "to be at least 1");
  t.validate_every = in.integer("validate_every", t.validate_every);
}

}  // namespace

TrainConfig default_train_config(const std::string& method) {
  TrainConfig c;
  c.method = method;
  c.model = default_model(c.reach);
  c.trainer.validate_every = 100;
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
           "thought_weight",
           "frontier",
           "through_thoughts",
           "teacher_forcing",
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
  method(c.method);  // known?
  c.task = in.string("task", c.task);
  if (c.task != "reach") in.reject("task", "to be reach (the task that can be generated without end)");
  c.seed = static_cast<uint64_t>(in.integer("seed", static_cast<int64_t>(c.seed)));
  c.batch = in.integer("batch", c.batch);
  if (c.batch < 1) in.reject("batch", "to be at least 1");
  c.latents = in.integer("latents", c.latents);
  if (c.latents < 0) in.reject("latents", "to be at least 0");
  c.thought_weight = in.number("thought_weight", c.thought_weight);
  c.frontier = in.string("frontier", c.frontier);
  if (c.frontier != "level" && c.frontier != "explored") in.reject("frontier", "to be level or explored");
  c.through_thoughts = in.boolean("through_thoughts", c.through_thoughts);
  c.teacher_forcing = in.number("teacher_forcing", c.teacher_forcing);
  if (!(c.teacher_forcing >= 0 && c.teacher_forcing <= 1)) in.reject("teacher_forcing", "to lie in 0..1");
  if (c.teacher_forcing > 0 && (c.method != "frontier" || c.frontier != "explored")) {
    in.reject("teacher_forcing",
              "to be 0 unless method is frontier and frontier is explored (an ideal thought needs a target)");
  }
  if (c.teacher_forcing > 0 && c.through_thoughts) in.reject("through_thoughts", "to be false under teacher forcing");
  c.walk_length = in.integer("walk_length", c.walk_length);
  c.walk_question = in.boolean("walk_question", c.walk_question);
  c.curriculum_fraction = in.number("curriculum_fraction", c.curriculum_fraction);
  if (!(c.curriculum_fraction >= 0 && c.curriculum_fraction < 1))
    in.reject("curriculum_fraction", "to lie in 0..1, 1 excluded");
  c.reset_optimizer = in.boolean("reset_optimizer", c.reset_optimizer);
  c.init = in.string("init", "");
  c.matched_attention = in.boolean("matched_attention", c.matched_attention);
  if (in.has("reach")) c.reach = read_reach(in.object("reach"), c.reach);
  if (in.has("growth")) c.growth = read_growth(in.object("growth"), c.growth);
  c.model = default_model(c.reach);
  if (in.has("model")) c.model.update(in.object("model").json());
  read_trainer(in, c.trainer);
  return c;
}

OrderedJson to_json(const TrainConfig& c) {
  const TrainerOptions& t = c.trainer;
  OrderedJson out = {{"method", c.method},   {"task", c.task},
                     {"seed", c.seed},       {"steps", t.schedule.steps},
                     {"batch", c.batch},     {"accumulate", t.accumulate},
                     {"latents", c.latents}, {"thought_weight", c.thought_weight}};
  if (c.method == "frontier") {
    out["frontier"] = c.frontier;
    out["through_thoughts"] = c.through_thoughts;
    out["teacher_forcing"] = c.teacher_forcing;
  }
  if (c.method == "walk") {
    out["walk_length"] = c.walk_length;
    out["walk_question"] = c.walk_question;
  }
  out["curriculum_fraction"] = c.curriculum_fraction;
  out["reset_optimizer"] = c.reset_optimizer;
  out["init"] = c.init.string();
  if (c.init.empty()) out["matched_attention"] = c.matched_attention, out["model"] = c.model;
  out["reach"] = to_json(c.reach);
  out["growth"] = to_json(c.growth);
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
