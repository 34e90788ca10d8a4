#include "latent/trainer_config.h"

#include "latent/recipe_fields.h"

namespace tacit {
namespace {

void read_lora(const JsonReader& in, LoraOptions& lora) {
  in.only({"rank", "alpha", "targets"});
  lora.rank = in.integer_in("rank", 1, 65536);
  lora.alpha = number_from(in, "alpha", lora.alpha, 0);
  if (in.has("targets")) lora.targets = in.strings("targets");
  if (lora.targets.empty()) in.reject("targets", "to name at least one kind of matrix");
}

void read_selection(const JsonReader& in, SelectionOptions& selection) {
  in.only({"figure", "better", "patience"});
  selection.figure = in.string("figure");
  if (selection.figure.empty()) in.reject("figure", "to name a figure of the validation");
  const std::string better = in.string("better");
  if (better != "higher" && better != "lower") in.reject("better", "to be higher or lower");
  selection.higher_is_better = better == "higher";
  selection.patience = integer_from(in, "patience", selection.patience, 0);
}

}  // namespace

const std::vector<std::string>& trainer_fields() {
  static const std::vector<std::string> fields = {
      "learning_rate", "beta1", "beta2",  "weight_decay",     "steps",          "warmup_steps", "decay_fraction",
      "final_ratio",   "clip",  "bf16",   "checkpoint_every", "validate_every", "accumulate",   "average",
      "freeze_model",  "lora",  "select", "processes"};
  return fields;
}

void read_trainer(const JsonReader& in, uint64_t seed, TrainerOptions& t) {
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
  t.average_decay = share_from(in, "average", t.average_decay, false);
  t.trained.freeze_model = in.boolean("freeze_model", t.trained.freeze_model);
  t.trained.lora.seed = seed;
  only_for(!t.trained.freeze_model, in, {"lora"}, "a model that is not frozen");
  if (in.has("lora")) read_lora(in.object("lora"), t.trained.lora);
  only_for(t.validate_every > 0, in, {"select"}, "trainings with validate_every above 0");
  if (in.has("select")) read_selection(in.object("select"), t.selection);
  t.parallel.world_size = in.has("processes") ? in.integer_in("processes", 1, 65536) : t.parallel.world_size;
}

void put_trainer(const TrainerOptions& t, OrderedJson& out) {
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
  if (t.average_decay > 0) out["average"] = t.average_decay;
  if (t.trained.freeze_model) out["freeze_model"] = true;
  const LoraOptions& lora = t.trained.lora;
  if (lora.rank > 0) out["lora"] = {{"rank", lora.rank}, {"alpha", lora.alpha}, {"targets", lora.targets}};
  const SelectionOptions& select = t.selection;
  if (!select.figure.empty()) {
    out["select"] = {{"figure", select.figure},
                     {"better", select.higher_is_better ? "higher" : "lower"},
                     {"patience", select.patience}};
  }
  if (t.parallel.world_size > 1) out["processes"] = t.parallel.world_size;
}

}  // namespace tacit
