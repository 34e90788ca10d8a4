#include "latent/train_method.h"

#include <cmath>

#include "latent/graphed_loss.h"
#include "latent/train_data.h"
#include "latent/train_start.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/rng.h"
#include "lib/model/checkpoint.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {
namespace {

// What the data say of themselves, and what the recipe says of the method.
MethodSettings settings_of(const TrainConfig& config, const TrainData& data) {
  MethodSettings s = data.settings;
  s.method = config.method;
  s.latents = config.latents;
  s.frontier = config.frontier;
  if (!config.init.empty() && config.method != "frontier") {  // what its thoughts were trained to hold
    const auto file = config.init / "config.json";
    s.frontier = read_method_settings(read_json(file, "train"), file.string()).frontier;
  }
  s.options = config.options;
  return s;
}

// A method may read of an example what only some tasks give, such as the search frontiers of reach.
TrainingRow make_row(const Method& how, const Example& example, const ObjectiveContext& context) {
  try {
    return how.row(example, context);
  } catch (const OrderedJson::exception& error) {
    const std::string cause = error.what();  // "[json.exception.out_of_range.403] key 'frontiers' not found"
    fail("train", "expected a task whose problems carry what method '", how.name, "' is trained on but those of '",
         context.settings.task, "' lack it (", cause.substr(cause.find("] ") + 2), " in 'meta' of ", example.id, ")");
  }
}

std::vector<std::pair<std::string, double>> figures_of(const LatentLoss& loss) {
  std::vector<std::pair<std::string, double>> out = {{"token_loss", loss.tokens}, {"token_accuracy", loss.accuracy}};
  if (loss.trained_thoughts > 0) out.emplace_back("thought_divergence", loss.thoughts);
  out.insert(out.end(), loss.figures.begin(), loss.figures.end());
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

// Puts recipe and tokenizer into the folder; of a training that goes on, the recipe, which may say more steps now.
void begin_folder(const std::filesystem::path& directory, const std::string& recipe_file, const TrainData& data) {
  write_file_atomic(directory / "train.json", recipe_file, "train");
  if (training_exists(directory)) return;
  for (const auto& [name, content] : data.tokenizer_files) write_file_atomic(directory / name, content, "train");
}

std::string hash_of(const std::filesystem::path& file) { return sha256_hex(MappedFile::open(file, "train")->bytes()); }

// Of all that a tokenizer is read from, by name.
std::string hash_of(const std::map<std::string, std::string>& files) {
  std::string all;
  for (const auto& [name, content] : files) all += name + '\0' + std::to_string(content.size()) + '\0' + content;
  return sha256_hex(all);
}

// Replayed updates that were asked for are never left out unseen.
void check_graphs(const TrainConfig& config, const Method& how, const Json& options, const Transformer& model,
                  const std::vector<TrainingRow>& rows, const LatentLossOptions& loss) {
  const TrainedPart& trained = config.trainer.trained;
  const bool trains_all = trained.lora.rank == 0 && !trained.freeze_model;
  require(loss_is_of_rows(how, options) && trains_all && GraphedLoss::takes(model, rows, loss), "train",
          "expected a loss and a model that can be recorded (latent/graphed_loss.h) but got those of method '",
          how.name, "' with this recipe; leave out '--graphs'");
}

// What a batch's loss is made from.
struct TrainingBatch {
  std::vector<Example> examples;
  std::vector<TrainingRow> rows;
  ObjectiveContext context;
};

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
  return open_train_data(config).training(step, index);
}

void train_method(const TrainConfig& config, const std::filesystem::path& directory, bool resume,
                  const ProgressCallback& progress) {
  const Method& how = method(config.method);
  require(static_cast<bool>(how.row), "train", "expected a method that is trained but '", how.name,
          "' is not: it thinks on any checkpoint");
  require(config.init.empty() || std::filesystem::is_directory(config.init), "train",
          "expected a checkpoint's folder to start from ('init') but there is none at ", config.init.string());
  const TrainData data = open_train_data(config);
  const MethodSettings settings = settings_of(config, data);
  const TrainStart start = make_start(how, config, data, {settings, *data.tokenizer, config.latents, 0});
  Json saved_config = start.config;
  saved_config["tacit"] = Json::parse(to_json(settings).dump());
  const int64_t steps = config.trainer.schedule.steps, stages = stages_of(how, config.latents, config.options);
  const auto stage_at = [=](int64_t step) { return curriculum_stage(step, steps, stages, config.curriculum_fraction); };

  // Random numbers of a batch and of its rows, by their places; those of validation apart from all.
  enum Draws : uint32_t { kBatch = 0x6261'7463, kRow = 0x726f'7773 };  // "batc", "rows"
  constexpr uint64_t kValidation = uint64_t{1} << 63;
  const auto seed_of = [&](Draws draws, uint64_t place) { return Rng(config.seed, place, draws).next_u64(); };
  const auto batch_of = [&](std::vector<Example> examples, int64_t latents, int64_t stage, uint64_t place) {
    TrainingBatch out{std::move(examples), {}, {settings, *data.tokenizer, latents, stage, seed_of(kBatch, place)}};
    for (const Example& example : out.examples) {
      ObjectiveContext context = out.context;
      context.seed = seed_of(kRow, place + out.rows.size());
      out.rows.push_back(make_row(how, example, context));
    }
    return out;
  };
  const auto training_batch = [&](int64_t step, int64_t first) {
    std::vector<Example> examples;
    for (int64_t i = 0; i < config.batch; ++i) examples.push_back(data.training(step, first + i));
    return batch_of(std::move(examples), latents_at(config, first), stage_at(step), static_cast<uint64_t>(first));
  };
  const auto validation_batch = [&](const std::vector<Example>& examples, int64_t stage) {
    return batch_of(examples, config.latents, stage, kValidation);
  };
  const auto loss_of = [&](const Transformer& model, const TrainingBatch& batch, const LatentLossOptions& options,
                           bool training) {
    if (!how.loss) return latent_loss(model, batch.rows, options);
    return how.loss({model, start.own, batch.rows, batch.examples, batch.context, options, training});
  };

  const auto first_of = [&](int64_t step, int64_t micro) {
    return (step * config.trainer.micro_batches() + micro) * config.batch;
  };
  const auto training_options = [&](int64_t step, int64_t first) {
    return LatentLossOptions{.thought_weight = config.thought_weight,
                             .through_thoughts = config.through_thoughts,
                             .teacher_forcing = teacher_forcing_at(config, step),
                             .noise_seed = config.seed + static_cast<uint64_t>(first),
                             .recompute = config.recompute};
  };
  const auto micro_batch = [&](const LatentLoss& loss, int64_t step) {
    auto figures = figures_of(loss);
    if (stages > 1) figures.emplace_back("stage", static_cast<double>(stage_at(step)));
    return MicroBatch{loss.total, figures, loss.positions};
  };

  TrainingProblem problem{.own = start.own};
  problem.loss = [&](const Transformer& model, int64_t step, int64_t micro) {
    const int64_t first = first_of(step, micro);
    return micro_batch(loss_of(model, training_batch(step, first), training_options(step, first), /*training=*/true),
                       step);
  };
  GraphedLoss graphed(config.graphs ? make_work_recorder(start.model->device()) : nullptr);
  if (config.graphs) {
    problem.loss_and_gradient = [&](const Transformer& model, int64_t step, int64_t micro,
                                    const GradientOptions& options) -> std::optional<MicroBatch> {
      const int64_t first = first_of(step, micro), replayed = graphed.replayed();
      const auto loss = graphed.run(model, training_batch(step, first).rows, training_options(step, first), options);
      if (!loss) return {};
      MicroBatch out = micro_batch(*loss, step);
      out.figures.emplace_back("replayed", static_cast<double>(graphed.replayed() - replayed));
      return out;
    };
  }
  if (!data.validation.empty()) {
    problem.validate = [&](const Transformer& model) {
      const TrainingBatch batch = validation_batch(data.validation, stages - 1);
      auto figures = figures_of(loss_of(model, batch, {.thought_weight = config.thought_weight}, /*training=*/false));
      figures.emplace_back("examples", static_cast<double>(data.validation.size()));
      return figures;
    };
  }
  problem.resets_optimizer = [&](int64_t step) {
    return config.reset_optimizer && step > 0 && stage_at(step) != stage_at(step - 1);
  };
  // What can be refused is refused before anything is written: the first batch, and the first and last stage in full
  // size.
  OrderedJson kept = to_json(config);
  const std::string recipe_file = kept.dump(2) + "\n";
  if (!config.data.empty()) kept["data_sha256"] = hash_of(config.data);
  if (!config.validation_data.empty()) kept["validation_data_sha256"] = hash_of(config.validation_data);
  if (is_file_task(config.task)) kept["tokenizer_sha256"] = hash_of(data.tokenizer_files);
  // Those left at their defaults too, which may change: "options" is there only where one was chosen.
  if (!config.options.empty()) kept["options_with_defaults"] = config.options;
  if (!how.revision.empty()) kept["revision"] = how.revision;
  const std::string recipe = kept.dump();
  const auto check_own_folder = [&] { check_folder(directory, recipe_file, data); };
  if (config.trainer.parallel.rank == 0) check_own_folder();
  const auto check_trained = [&](const std::vector<TrainingRow>& rows) {
    check_rows(*start.model, rows);
    if (config.graphs) check_graphs(config, how, settings.options, *start.model, rows, training_options(0, 0));
  };
  check_trained(training_batch(0, 0).rows);
  for (const int64_t stage : {stage_at(0), stages - 1}) {
    check_trained(validation_batch(data.largest, stage).rows);
    if (!data.validation.empty()) check_rows(*start.model, validation_batch(data.validation, stage).rows);
  }
  require(!config.graphs || graphed.records(), "train",
          "expected a CUDA device and a LibTorch that record work there but got none; leave out '--graphs'");
  // Before other processes are waited for.
  if (config.trainer.parallel.rank == 0 && resume && training_exists(directory)) require_resumable(directory, recipe);
  problem.begin = [&] {
    check_own_folder();  // again: another training may have begun there before the folder was this one's
    begin_folder(directory, recipe_file, data);
  };
  train(start.model, problem, config.trainer, saved_config, recipe, directory, resume, progress);
}

}  // namespace tacit
