#include "lib/train/trainer.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/folder_lock.h"
#include "lib/model/checkpoint.h"
#include "lib/model/slots.h"
#include "lib/train/training_state.h"
#include "lib/train/update.h"

namespace tacit {
namespace {

std::filesystem::path state_in(const std::filesystem::path& directory) {
  return directory / "training_state.safetensors";
}

// Keeps the lines up to `step`: those after it belong to work that the kill undid.
void cut_metrics(const std::filesystem::path& path, int64_t step) {
  if (!std::filesystem::exists(path)) return;
  std::string kept;
  for_each_line(path, "resume", [&](std::string_view text, int64_t) {
    const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    const bool whole = line.is_object() && line.contains("step") && line["step"].is_number_integer();
    if (whole && line["step"].get<int64_t>() <= step) kept += std::string(text) + "\n";
  });
  write_file_atomic(path, kept, "resume");
}

std::string detail(const Update& update, double milliseconds) {
  char text[96];
  std::snprintf(text, sizeof text, "loss %.3f, %.1fk tokens/s", update.loss,
                static_cast<double>(update.tokens) / std::max(milliseconds, 1e-3));
  return text;
}

constexpr std::array<std::string_view, 6> kOwnFigures = {"step", "loss", "lr", "grad_norm", "tokens", "ms"};

OrderedJson metrics_line(int64_t step, const Update& update, double learning_rate, double milliseconds) {
  OrderedJson line = {{"step", step}, {"loss", update.loss}};
  for (const auto& [name, value] : update.figures) {
    require(std::ranges::find(kOwnFigures, name) == kOwnFigures.end(), "train",
            "expected figures of other names than the trainer's ", "own but got '", name, "'");
    line[name] = value;
  }
  line["lr"] = learning_rate;
  line["grad_norm"] = update.gradient_norm;
  line["tokens"] = update.tokens;
  line["ms"] = milliseconds;
  return line;
}

OrderedJson validation_line(int64_t step, const Figures& figures) {
  OrderedJson line = {{"step", step}, {"validation", OrderedJson::object()}};
  for (const auto& [name, value] : figures) line["validation"][name] = value;
  return line;
}

void check(const TrainingProblem& problem, const TrainerOptions& options) {
  require(options.schedule.steps >= 1, "train", "expected at least 1 step but got ", options.schedule.steps);
  require(options.accumulate >= 1, "train", "expected accumulate of at least 1 but got ", options.accumulate);
  require(options.checkpoint_every >= 1, "train", "expected a checkpoint every 1 or more updates but got ",
          options.checkpoint_every);
  require(problem.loss != nullptr, "train", "expected a problem with a loss");
  require(options.average_decay >= 0 && options.average_decay < 1, "train",
          "expected an average's decay of 0 to 1, 1 excluded, but got ", options.average_decay);
  require(options.selection.figure.empty() || (options.validate_every > 0 && problem.validate), "train",
          "expected a training that is validated, to select by '", options.selection.figure, "'");
}

// What will be written must be what can be read again.
void check_config(const Json& config, const Transformer& model) {
  for (const WeightSlot& slot : weight_slots(model_config_from_json(config, "the config.json to be written"))) {
    const auto found = model.weights().find(slot.name);
    const bool there = found != model.weights().end();
    require(there && found->second.sizes() == at::IntArrayRef(slot.shape), "train",
            "expected the model's config but got one with '", slot.name, "' of shape ", shape_text(slot.shape),
            " where the model has ", there ? shape_text(found->second.sizes()) : "none");
  }
}

class Training {
 public:
  Training(const std::shared_ptr<Transformer>& model, const TrainingProblem& problem, const TrainerOptions& options,
           const Json& config, const std::string& recipe, const std::filesystem::path& directory)
      : ranks_(join_data_parallel(options.parallel)),
        weights_(model, problem.own, options.trained),
        optimizer_(weights_.leaves(), options.adamw),
        average_(weights_.leaves(), options.average_decay),
        selection_(options.selection),
        state_{weights_.leaves(), optimizer_, average_, selection_, weights_.fixed_hash()},
        problem_(problem),
        options_(options),
        config_(config),
        recipe_(recipe),
        directory_(directory) {}

  void start(bool resume) {
    std::vector<std::filesystem::path> missing;  // the deepest first
    std::error_code unknown;                     // then there is nothing to make, or to take away
    auto folder = std::filesystem::weakly_canonical(std::filesystem::absolute(directory_), unknown);
    if (!folder.has_filename()) folder = folder.parent_path();
    // A link that leads nowhere is there, too.
    while (!unknown && std::filesystem::symlink_status(folder).type() == std::filesystem::file_type::not_found) {
      missing.push_back(folder);
      folder = folder.parent_path();
    }
    try {
      begin(resume);
    } catch (...) {
      alone_.reset();
      std::error_code ignored;
      for (const auto& made : missing) {  // a folder with something in it stays
        if (writes()) std::filesystem::remove(made, ignored);
      }
      throw;
    }
  }

  void run(const ProgressCallback& progress) {
    const int64_t steps = options_.schedule.steps;
    while (step_ < steps && !selection_.exhausted()) {
      if (problem_.resets_optimizer && problem_.resets_optimizer(step_)) optimizer_.reset();
      const auto begin = std::chrono::steady_clock::now();
      const Update update = run_update(weights_, problem_, options_, optimizer_, *ranks_, step_);
      const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
      const double learning_rate = options_.learning_rate * options_.schedule.factor(step_);
      ++step_;
      average_.update(step_);
      log(metrics_line(step_, update, learning_rate, ms));
      if (options_.validate_every > 0 && problem_.validate && (step_ % options_.validate_every == 0 || step_ == steps))
        take_validation();
      const bool mine = !progress || progress({"train", step_, steps, detail(update, ms)});
      const bool go_on = ranks_->all(mine, "the end of step " + std::to_string(step_));
      const bool last = step_ == steps || selection_.exhausted();
      if (writes() && (step_ % options_.checkpoint_every == 0 || last || !go_on)) save();
      if (!go_on) throw Interrupted("train", "interrupted after step " + std::to_string(step_) + "; resume to go on");
    }
  }

 private:
  bool writes() const { return ranks_->rank() == 0; }

  void begin(bool resume) {
    const auto state = state_in(directory_), metrics = directory_ / "metrics.jsonl";
    if (writes()) take_folder();
    if (training_exists(directory_)) {
      require(resume, "train", "expected a folder without a training but ", state.string(),
              " exists; resume it or choose another folder");
      step_ = load_training_state(state, state_, recipe_);
    }
    compare_ranks();
    if (selection_.on() && step_ == 0) selection_.figure_in(validate());  // a name that is none is refused now
    if (!writes()) return;
    if (problem_.begin) problem_.begin();
    cut_metrics(metrics, step_);
    metrics_ = std::make_unique<LineAppender>(metrics, "train");
    if (step_ > 0) save_checkpoint();  // a kill may have come between the last state and its checkpoint
  }

  void take_folder() {
    std::error_code failure;
    std::filesystem::create_directories(directory_, failure);
    require(!failure, "train", "expected a folder that can be made at ", directory_.string(), " but got '",
            failure.message(), "'");
    alone_ = std::make_unique<FolderLock>(directory_, "train");
  }

  void log(const OrderedJson& line) {
    if (metrics_) metrics_->append(line.dump());
  }

  // A process that trains something else would spoil what the others do, unseen.
  void compare_ranks() {
    if (ranks_->size() == 1) return;
    const OrderedJson mine = {{"recipe", recipe_},
                              {"step", step_},
                              {"weights", weights_hash(weights_.leaves())},
                              {"fixed_weights", state_.fixed_hash}};
    const auto all = ranks_->gather(mine.dump(), "the comparison of recipes and weights");
    const Json first = Json::parse(all[0]);
    for (size_t rank = 1; rank < all.size(); ++rank) {
      const Json other = Json::parse(all[rank]);
      const std::string difference = recipe_difference(first["recipe"], other["recipe"]);
      require(difference.empty(), "train", "expected the recipe of rank 0, ", difference, " in rank ", rank);
      require(first == other, "train", "expected the weights and the progress of rank 0 in rank ", rank, ", step ",
              first["step"], ", but got others, step ", other["step"]);
    }
  }

  // Of the averaged weights, where there are some: for that time they are the leaves' values.
  Figures validate() {
    const at::NoGradGuard no_grad;
    average_.exchange();
    const Figures figures = problem_.validate(*weights_.model());
    average_.exchange();
    return mean_figures(figures, *ranks_, "the validation of step " + std::to_string(step_));
  }

  void take_validation() {
    const Figures figures = validate();
    log(validation_line(step_, figures));
    if (!selection_.on()) return;
    const std::string& figure = selection_.options().figure;
    if (selection_.offer(step_, figures, average_.on() ? average_.averages() : weights_.leaves()))
      log({{"step", step_}, {"selected", {{figure, selection_.value()}}}});
    if (selection_.exhausted())
      log({{"step", step_},
           {"stopped", {{"patience", selection_.options().patience}, {"selected", selection_.step()}}}});
  }

  void save() {
    metrics_->sync();
    save_training_state(state_in(directory_), state_, step_, recipe_);
    save_checkpoint();
  }

  // The weights of the best validation or of the last update, in the leaves for as long as it takes.
  void save_checkpoint() {
    const at::NoGradGuard no_grad;
    TensorMap kept;
    if (selection_.step() > 0) {
      for (const auto& [name, leaf] : weights_.leaves()) {
        kept[name] = leaf.detach().clone();
        leaf.copy_(selection_.best().at(name));
      }
    } else {
      average_.exchange();
    }
    save_model(directory_, *weights_.model(), config_);
    if (!weights_.own().empty()) save_method_weights(directory_, weights_.own());
    if (kept.empty()) average_.exchange();
    for (const auto& [name, value] : kept) weights_.leaves().at(name).copy_(value);
  }

  std::unique_ptr<DataParallel> ranks_;
  TrainedWeights weights_;
  AdamW optimizer_;
  WeightAverage average_;
  Selection selection_;
  TrainingState state_;
  const TrainingProblem& problem_;
  const TrainerOptions& options_;
  const Json& config_;
  const std::string& recipe_;
  const std::filesystem::path& directory_;
  std::unique_ptr<FolderLock> alone_;      // where this process writes
  std::unique_ptr<LineAppender> metrics_;  // there, too
  int64_t step_ = 0;
};

}  // namespace

bool training_exists(const std::filesystem::path& directory) { return std::filesystem::exists(state_in(directory)); }

void require_resumable(const std::filesystem::path& directory, const std::string& recipe) {
  require_same_recipe(state_in(directory), recipe);
}

void train(const std::shared_ptr<Transformer>& model, const TrainingProblem& problem, const TrainerOptions& options,
           const Json& config, const std::string& recipe, const std::filesystem::path& directory, bool resume,
           const ProgressCallback& progress) {
  check(problem, options);
  require(parse_json(recipe, "train", "the recipe").is_object(), "train", "expected the recipe as a JSON object");
  check_config(config, *model);
  Training training(model, problem, options, config, recipe, directory);
  training.start(resume);
  training.run(progress);
}

}  // namespace tacit
