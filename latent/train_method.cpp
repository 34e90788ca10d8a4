#include "latent/train_method.h"

#include <cmath>

#include "latent/train_data.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "lib/model/slots.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {
namespace {

// What the data say of themselves, and what the recipe says of the method.
MethodSettings settings_of(const TrainConfig& config, const TrainData& data) {
  MethodSettings s = data.settings;
  s.method = config.method;
  s.latents = config.latents;
  s.frontier = config.frontier;
  return s;
}

// A method may read of an example what only some tasks give, such as the search frontiers of reach.
TrainingRow make_row(const Method& how, const Example& example, const ObjectiveContext& context) {
  try {
    return how.row(example, context);
  } catch (const OrderedJson::exception& error) {
    const std::string cause = error.what();  // "[json.exception.out_of_range.403] key 'frontiers' not found"
    fail("train", "expected a task with what method '", how.name, "' is trained on but task '", context.settings.task,
         "' has it not (", cause.substr(cause.find("] ") + 2), " in 'meta' of ", example.id, ")");
  }
}

std::vector<std::pair<std::string, double>> figures_of(const LatentLoss& loss) {
  std::vector<std::pair<std::string, double>> out = {{"token_loss", loss.tokens}, {"token_accuracy", loss.accuracy}};
  if (loss.trained_thoughts > 0) out.emplace_back("thought_divergence", loss.thoughts);
  return out;
}

// Nothing in the folder may be overwritten or be taken for a part of the checkpoint. What a kill before the first state
// leaves is known by the recipe, which is written first.
void check_folder(const std::filesystem::path& directory, const std::string& recipe_file, const TrainData& data) {
  if (training_exists(directory)) return;
  const auto recipe = directory / "train.json", metrics = directory / "metrics.jsonl";
  const bool begun = exists(recipe) && read_file(recipe, "train") == recipe_file;
  std::vector<std::filesystem::path> there;
  for (const auto& file : checkpoint_files_in(directory)) {
    if (!begun || !data.tokenizer_files.contains(file.filename().string())) there.push_back(file);
  }
  for (const auto& file : {recipe, metrics}) {
    if (!begun && exists(file)) there.push_back(file);
  }
  require(there.empty(), "train", "expected a new folder or a training to resume but got ",
          there.empty() ? "" : there[0].string(), " without a training; choose another folder");
}

struct Start {
  std::shared_ptr<Transformer> model;
  Json config;  // config.json as it will be written
};

// With rows for new tokens, which start as the token "<<" does, or as the mean of all.
Start grown(const Transformer& model, const Tokenizer& tokenizer) {
  Json config = model.config().raw;
  config["vocab_size"] = tokenizer.vocab_size();
  const int64_t added = tokenizer.vocab_size() - model.config().vocab_size;
  auto weights = model.weights();
  for (const std::string& name : {slots::embedding, slots::unembedding}) {
    const auto found = weights.find(name);
    if (found == weights.end()) continue;  // tied
    const at::Tensor& rows = found->second;
    const auto like = tokenizer.id_of("<<");
    const at::Tensor row = like ? rows.narrow(0, *like, 1) : rows.mean(0, /*keepdim=*/true);
    found->second = at::cat({rows, row.expand({added, rows.size(1)})});
  }
  const Transformer larger(model_config_from_json(config, "config.json with 'add_tokens'"), std::move(weights));
  return {trainable_copy(larger), config};
}

Start make_start(const TrainConfig& config, const TrainData& data) {
  if (config.init.empty()) {
    const ModelConfig model = model_config_from_json(config.model, "the training config's 'model'");
    return {trainable_copy(*make_model(model, config.seed, config.matched_attention)), config.model};
  }
  const auto initial = load_model(config.init);
  const bool grows = !config.add_tokens.empty() && data.tokenizer->vocab_size() > initial->config().vocab_size;
  if (grows) return grown(*initial, *data.tokenizer);
  return {trainable_copy(*initial), initial->config().raw};
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

double teacher_forcing_at(const TrainConfig& config, int64_t step) {
  const double length = config.teacher_forcing * static_cast<double>(config.trainer.schedule.steps);
  return static_cast<double>(step) >= length ? 0 : 1 - static_cast<double>(step) / length;
}

Example training_example(const TrainConfig& config, int64_t step, int64_t index) {
  return open_train_data(config).training(step, index);
}

void train_method(const TrainConfig& config, const std::filesystem::path& directory, bool resume,
                  const ProgressCallback& progress) {
  const Method& how = method(config.method);
  require(how.row && how.stages, "train", "expected a method with a training row and stages but '", how.name,
          "' has none");
  const TrainData data = open_train_data(config);
  const MethodSettings settings = settings_of(config, data);
  const Start start = make_start(config, data);
  require(start.model->config().vocab_size >= data.tokenizer->vocab_size(), "train",
          "expected a model with a vocabulary of at least ", data.tokenizer->vocab_size(), " words but got ",
          start.model->config().vocab_size);
  Json saved_config = start.config;
  saved_config["tacit"] = Json::parse(to_json(settings).dump());
  const int64_t steps = config.trainer.schedule.steps, stages = how.stages(config.latents);
  auto stage_at = [=](int64_t step) { return curriculum_stage(step, steps, stages, config.curriculum_fraction); };
  auto row_of = [&](const Example& example, int64_t stage) {
    return make_row(how, example, {settings, *data.tokenizer, config.latents, stage});
  };
  auto rows_of = [&](const std::vector<Example>& examples, int64_t stage) {
    std::vector<TrainingRow> rows;
    for (const Example& example : examples) rows.push_back(row_of(example, stage));
    return rows;
  };
  auto batch_of = [&](int64_t step, int64_t first) {
    std::vector<TrainingRow> rows;
    for (int64_t i = 0; i < config.batch; ++i) rows.push_back(row_of(data.training(step, first + i), stage_at(step)));
    return rows;
  };
  TrainingProblem problem;
  problem.loss = [&](const Transformer& model, int64_t step, int64_t micro) {
    const int64_t first = (step * config.trainer.accumulate + micro) * config.batch;
    const auto rows = batch_of(step, first);
    const LatentLoss loss = latent_loss(model, rows,
                                        {.thought_weight = config.thought_weight,
                                         .through_thoughts = config.through_thoughts,
                                         .teacher_forcing = teacher_forcing_at(config, step),
                                         .noise_seed = config.seed + static_cast<uint64_t>(first),
                                         .recompute = config.recompute});
    auto figures = figures_of(loss);
    if (stages > 1) figures.emplace_back("stage", static_cast<double>(stage_at(step)));
    return MicroBatch{loss.total, figures, loss.positions};
  };
  if (!data.validation.empty()) {
    problem.validate = [&](const Transformer& model) {
      const auto rows = rows_of(data.validation, stages - 1);
      return figures_of(latent_loss(model, rows, {.thought_weight = config.thought_weight}));
    };
  }
  problem.resets_optimizer = [&](int64_t step) {
    return config.reset_optimizer && step > 0 && stage_at(step) != stage_at(step - 1);
  };
  // What can be refused is refused before anything is written: the first batch, and the first and last stage in full
  // size.
  const std::string recipe_file = to_json(config).dump(2) + "\n";
  check_folder(directory, recipe_file, data);
  check_rows(*start.model, batch_of(0, 0));
  for (const int64_t stage : {stage_at(0), stages - 1}) {
    check_rows(*start.model, rows_of(data.largest, stage));
    if (!data.validation.empty()) check_rows(*start.model, rows_of(data.validation, stage));
  }
  std::filesystem::create_directories(directory);
  if (!training_exists(directory)) {
    write_file_atomic(directory / "train.json", recipe_file, "train");
    for (const auto& [name, content] : data.tokenizer_files) write_file_atomic(directory / name, content, "train");
  }
  train(start.model, problem, config.trainer, saved_config, to_json(config).dump(), directory, resume, progress);
}

}  // namespace tacit
