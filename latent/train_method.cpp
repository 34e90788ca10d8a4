#include "latent/train_method.h"

#include <cmath>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/rng.h"
#include "lib/model/checkpoint.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {
namespace {

// Data seeds: the low bit tells training from validation, so that the two never share an example. `tacit data generate`
// and the evaluation's own problems are drawn from the seed as given; a training seed is shifted out of their way.
constexpr uint64_t training_space = 0x7472'6169'0000'0000;  // "trai"
uint64_t training_seed(uint64_t seed) { return training_space + 2 * seed; }
uint64_t validation_seed(uint64_t seed) { return training_space + 2 * seed + 1; }
constexpr int64_t validation_examples = 128;

Example walk_as_example(const Walk& walk) {
  Example out;
  out.question = walk.edges;
  out.steps = walk.words;
  out.meta["targets"] = walk.targets;
  return out;
}

Example example_of(const TrainConfig& config, const ReachOptions& reach, uint64_t seed, int64_t index) {
  if (config.method == "walk")
    return walk_as_example(walk_example(reach, seed, index, config.walk_length, config.walk_question));
  return reach_example(reach, seed, index);
}

MethodSettings settings_of(const TrainConfig& config) {
  MethodSettings s;
  s.method = config.method;
  s.latents = config.latents;
  // Enough for the longest chain, every node and a mark for every level.
  s.max_words = std::max(s.max_words, config.reach.graph.max_nodes + config.reach.graph.max_depth + 1);
  s.task = config.task;
  s.style = "symbols";
  s.labels = config.reach.labels;
  s.frontier = config.frontier;
  s.options = config.options;
  s.markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"};
  return s;
}

std::vector<std::pair<std::string, double>> figures_of(const LatentLoss& loss) {
  std::vector<std::pair<std::string, double>> out = {{"token_loss", loss.tokens}, {"token_accuracy", loss.accuracy}};
  if (loss.trained_thoughts > 0) out.emplace_back("thought_divergence", loss.thoughts);
  out.insert(out.end(), loss.figures.begin(), loss.figures.end());
  return out;
}

// Word i of the recipe must be token i of the checkpoint that it starts from.
void check_vocabulary(const TrainConfig& config) {
  const auto tokenizer = load_tokenizer(config.init);
  const auto words = reach_vocabulary(config.reach.labels);
  for (size_t i = 0; i < words.size(); ++i) {
    const int64_t id = static_cast<int64_t>(i);
    const std::string there = id < tokenizer->vocab_size() ? tokenizer->token(id) : "nothing";
    require(there == words[i], "train", "expected '", words[i], "' as token ", i, " but got '", there, "' in ",
            config.init.string());
  }
}

// Nothing in the folder may be overwritten or be taken for a part of the checkpoint. What a kill before the first state
// leaves is known by the recipe, which is written first.
void check_folder(const std::filesystem::path& directory, const std::string& recipe_file) {
  if (training_exists(directory)) return;
  const auto recipe = directory / "train.json", metrics = directory / "metrics.jsonl";
  const bool begun = exists(recipe) && read_file(recipe, "train") == recipe_file;
  std::vector<std::filesystem::path> there;
  for (const auto& file : checkpoint_files_in(directory)) {
    if (!begun || file.filename() != "tokenizer.json") there.push_back(file);
  }
  for (const auto& file : {recipe, metrics}) {
    if (!begun && exists(file)) there.push_back(file);
  }
  require(there.empty(), "train", "expected a new folder or a training to resume but got ",
          there.empty() ? "" : there[0].string(), " without a training; choose another folder");
}

struct Start {
  std::shared_ptr<Transformer> model;
  MethodWeights own;
  Json config;  // config.json as it will be written
};

// A checkpoint of the same method brings the method's own weights along; those that it lacks start afresh.
MethodWeights own_start(const Method& how, const TrainConfig& config, const ModelConfig& model,
                        const ObjectiveContext& context) {
  if (!how.weights) return {};
  MethodWeights out = how.weights(model, context, config.seed);
  const MethodWeights earlier = config.init.empty() ? MethodWeights() : load_method_weights(config.init);
  for (auto& [name, weight] : out) {
    const auto found = earlier.find(name);
    if (found != earlier.end()) {
      require(found->second.sizes() == weight.sizes(), "train", "expected '", name, "' of shape ",
              shape_text(weight.sizes()), " but got ", shape_text(found->second.sizes()), " in ", config.init.string());
      weight = found->second;
    }
    weight = weight.detach().clone().set_requires_grad(true);
  }
  return out;
}

Start make_start(const Method& how, const TrainConfig& config, const ObjectiveContext& context) {
  Start out;
  require(!config.init.empty() || !how.check_start, "train",
          "expected a checkpoint to start from ('init') for method '", how.name, "' but got none");
  if (config.init.empty()) {
    const ModelConfig model = model_config_from_json(config.model, "the training config's 'model'");
    out = {trainable_copy(*make_model(model, config.seed, config.matched_attention)), {}, config.model};
  } else {
    check_vocabulary(config);
    const auto initial = load_model(config.init);
    if (how.check_start)
      how.check_start(read_method_settings(initial->config().raw, config.init.string()), config.options);
    out = {trainable_copy(*initial), {}, initial->config().raw};
  }
  out.own = own_start(how, config, out.model->config(), context);
  return out;
}

}  // namespace

int64_t curriculum_stage(int64_t step, int64_t steps, int64_t stages, double fraction) {
  if (stages <= 1) return 0;
  const double each = fraction * static_cast<double>(steps) / static_cast<double>(stages - 1);
  if (each <= 0) return stages - 1;
  return std::min(stages - 1, static_cast<int64_t>(static_cast<double>(step) / each));
}

ReachOptions reach_at(const TrainConfig& config, int64_t step) {
  ReachOptions out = config.reach;
  const double length = config.growth.fraction * static_cast<double>(config.trainer.schedule.steps);
  if (static_cast<double>(step) >= length) return out;
  const double grown = static_cast<double>(step) / length;
  auto between = [grown](int64_t from, int64_t to) {
    return from + static_cast<int64_t>(std::floor(grown * static_cast<double>(to - from + 1)));
  };
  out.graph.min_nodes = between(config.growth.min_nodes, out.graph.min_nodes);
  out.graph.max_nodes = between(config.growth.max_nodes, out.graph.max_nodes);
  out.graph.min_depth = between(config.growth.min_depth, out.graph.min_depth);
  out.graph.max_depth = between(config.growth.max_depth, out.graph.max_depth);
  return out;
}

int64_t latents_at(const TrainConfig& config, int64_t first) {
  constexpr uint32_t kDraws = 0x6c61'7465;  // "late": apart from the examples of the same seed
  if (config.least_latents == 0) return config.latents;
  return Rng(config.seed, static_cast<uint64_t>(first), kDraws).between(config.least_latents, config.latents);
}

double teacher_forcing_at(const TrainConfig& config, int64_t step) {
  const double length = config.teacher_forcing * static_cast<double>(config.trainer.schedule.steps);
  return static_cast<double>(step) >= length ? 0 : 1 - static_cast<double>(step) / length;
}

Example training_example(const TrainConfig& config, int64_t step, int64_t index) {
  return example_of(config, reach_at(config, step), training_seed(config.seed), index);
}

void train_method(const TrainConfig& config, const std::filesystem::path& directory, bool resume,
                  const ProgressCallback& progress) {
  const Method& how = method(config.method);
  require(how.row && how.stages, "train", "expected a method that is trained but '", how.name,
          "' is not: it thinks on any checkpoint");
  const MethodSettings settings = settings_of(config);
  const auto words = reach_vocabulary(config.reach.labels);
  const auto tokenizer = make_word_tokenizer(words);
  const Start start = make_start(how, config, {settings, *tokenizer, config.latents, 0});
  require(start.model->config().vocab_size >= static_cast<int64_t>(words.size()), "train",
          "expected a model with a vocabulary of at least ", words.size(), " words but got ",
          start.model->config().vocab_size);
  Json saved_config = start.config;
  saved_config["tacit"] = Json::parse(to_json(settings).dump());
  const int64_t steps = config.trainer.schedule.steps, stages = how.stages(config.latents);
  auto stage_at = [=](int64_t step) { return curriculum_stage(step, steps, stages, config.curriculum_fraction); };
  struct TrainingBatch {
    std::vector<Example> examples;
    std::vector<TrainingRow> rows;
    ObjectiveContext context;
  };
  auto batch_of = [&](const ReachOptions& reach, uint64_t seed, int64_t first, int64_t count, int64_t stage) {
    const int64_t latents = seed == training_seed(config.seed) ? latents_at(config, first) : config.latents;
    TrainingBatch out{.context = {settings, *tokenizer, latents, stage, seed + static_cast<uint64_t>(first)}};
    for (int64_t i = 0; i < count; ++i) {
      out.examples.push_back(example_of(config, reach, seed, first + i));
      ObjectiveContext context = out.context;
      context.seed += static_cast<uint64_t>(i);
      out.rows.push_back(how.row(out.examples.back(), context));
    }
    return out;
  };
  auto loss_of = [&](const Transformer& model, const TrainingBatch& batch, const LatentLossOptions& options,
                     bool training) {
    if (!how.loss) return latent_loss(model, batch.rows, options);
    return how.loss({model, start.own, batch.rows, batch.examples, batch.context, options, training});
  };
  TrainingProblem problem{.own = start.own};
  problem.loss = [&](const Transformer& model, int64_t step, int64_t micro) {
    const int64_t first = (step * config.trainer.accumulate + micro) * config.batch;
    const auto batch =
        batch_of(reach_at(config, step), training_seed(config.seed), first, config.batch, stage_at(step));
    const LatentLoss loss = loss_of(model, batch,
                                    {.thought_weight = config.thought_weight,
                                     .through_thoughts = config.through_thoughts,
                                     .teacher_forcing = teacher_forcing_at(config, step),
                                     .noise_seed = config.seed + static_cast<uint64_t>(first),
                                     .recompute = config.recompute},
                                    /*training=*/true);
    auto figures = figures_of(loss);
    if (stages > 1) figures.emplace_back("stage", static_cast<double>(stage_at(step)));
    return MicroBatch{loss.total, figures, loss.positions};
  };
  problem.validate = [&](const Transformer& model) {
    const auto batch = batch_of(config.reach, validation_seed(config.seed), 0, validation_examples, stages - 1);
    return figures_of(loss_of(model, batch, {.thought_weight = config.thought_weight}, /*training=*/false));
  };
  problem.resets_optimizer = [&](int64_t step) {
    return config.reset_optimizer && step > 0 && stage_at(step) != stage_at(step - 1);
  };
  // What can be refused is refused before anything is written: the first batch, and the first and last stage in full
  // size.
  const std::string recipe_file = to_json(config).dump(2) + "\n";
  check_folder(directory, recipe_file);
  check_rows(*start.model,
             batch_of(reach_at(config, 0), training_seed(config.seed), 0, config.batch, stage_at(0)).rows);
  for (const int64_t stage : {stage_at(0), stages - 1}) {
    check_rows(*start.model, batch_of(config.reach, validation_seed(config.seed), 0, validation_examples, stage).rows);
  }
  std::filesystem::create_directories(directory);
  if (!training_exists(directory)) {
    write_file_atomic(directory / "train.json", recipe_file, "train");
    write_file_atomic(directory / "tokenizer.json", word_tokenizer_json(words), "train");
  }
  train(start.model, problem, config.trainer, saved_config, to_json(config).dump(), directory, resume, progress);
}

}  // namespace tacit
